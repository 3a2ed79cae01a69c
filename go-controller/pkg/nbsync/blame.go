package nbsync

import (
	"errors"
	"fmt"
	"regexp"

	"github.com/ovn-kubernetes/libovsdb/ovsdb"

	"github.com/woven-network/woven/go-controller/pkg/row"
)

// refusal returns why the server has not carried out a transaction: the errors of all operations that have one.
// Operations behind the first that fails have none, and an error behind the last is that of the whole.
func refusal(results []ovsdb.OperationResult, operations []ovsdb.Operation) error {
	refused, err := ovsdb.CheckOperationResults(results, operations)
	if err == nil {
		return nil
	}
	if len(refused) == 0 {
		return err
	}
	all := make([]error, 0, len(refused))
	for _, e := range refused {
		if op := e.Operation(); op != nil {
			all = append(all, fmt.Errorf("%s on %s: %w", op.Op, op.Table, e))
		} else {
			all = append(all, e)
		}
	}
	return errors.Join(all...)
}

// blame returns the owners for whom a plan was refused, as far as the server's answer says it: by the place of the
// operation that failed, or by the UUIDs of rows that an error of the whole transaction names. An operation that many
// owners share blames none of them.
func blame(plan Plan, results []ovsdb.OperationResult) map[row.Owner]struct{} {
	blamed := map[row.Owner]struct{}{}
	add := func(op Op) {
		if len(op.owners) == 1 {
			blamed[op.owners[0]] = struct{}{}
		}
	}
	for i, result := range results {
		if result.Error == "" {
			continue
		}
		if i < len(plan.Ops) {
			add(plan.Ops[i])
			continue
		}
		named := map[string]bool{}
		for _, uuid := range uuids.FindAllString(result.Details, -1) {
			named[uuid] = true
		}
		for _, op := range plan.Ops {
			if named[op.UUID] {
				add(op)
			}
		}
	}
	return blamed
}

var uuids = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)
