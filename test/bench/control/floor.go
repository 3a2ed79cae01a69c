package control

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/woven-network/woven/go-controller/pkg/ovn/schema"
)

// floorOfRows writes the rows of some pods, the same as the controller's, by one ovn-nbctl command in one transaction
// into a database that has nothing but the switches, and returns how long that took.
func (w *world) floorOfRows(ctx context.Context, ports map[string]port) (time.Duration, error) {
	dir, err := os.MkdirTemp(w.dir, "floor")
	if err != nil {
		return 0, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	d, err := startDatabase(ctx, dir, "nb", schema.Northbound)
	if err != nil {
		return 0, err
	}
	defer d.process.Kill()
	switches, rows := []string{"--db=" + d.remote}, []string{"--db=" + d.remote}
	made := map[string]struct{}{}
	for name, p := range ports {
		node, err := w.nodeOf(name)
		if err != nil {
			return 0, err
		}
		if _, ok := made[node]; !ok {
			switches = append(switches, "--", "ls-add", node)
			made[node] = struct{}{}
		}
		rows = append(rows, "--")
		rows = append(rows, w.createPort(node, p)...)
	}
	if _, err := w.tool(ctx, "ovn-nbctl", switches...); err != nil {
		return 0, err
	}
	begin := time.Now()
	_, err = w.tool(ctx, "ovn-nbctl", rows...)
	return time.Since(begin), err
}

// nodeOf returns the node of a pod whose port has this name.
func (w *world) nodeOf(port string) (string, error) {
	var n, generation int
	if _, err := fmt.Sscanf(port, namespace+"/web-%05d-%d", &n, &generation); err != nil {
		return "", fmt.Errorf("port %s is not of a pod of this benchmark: %w", port, err)
	}
	return nodeName(n / podsPerNode), nil
}

// createPort returns the words that have ovn-nbctl write one pod's row and put it into its switch.
func (w *world) createPort(node string, p port) []string {
	id := "--id=@" + strings.NewReplacer("/", "_", "-", "_").Replace(p.name)
	quote := func(s string) string { return `"` + s + `"` }
	return []string{
		id, "create", "Logical_Switch_Port", "name=" + quote(p.name),
		"addresses=" + quote(p.addresses), "port_security=" + quote(p.addresses),
		"options:requested-chassis=" + node, "options:iface-id-ver=" + quote("1d7f0a3e-0000-4000-8000-000000000000"),
		"external_ids:woven.network/namespace=" + namespace, "external_ids:woven.network/owner=" + quote("pod/"+p.name),
		"--", "add", "Logical_Switch", node, "ports", id[len("--id="):],
	}
}

// floorOfOnePod returns how long the database itself takes for one pod's row, in milliseconds, several times: from
// sending the transaction, on a connection that is open, to its reply.
func (w *world) floorOfOnePod(repeats int) ([]float64, error) {
	c, err := net.Dial("unix", w.north.socket)
	if err != nil {
		return nil, err
	}
	defer func() { _ = c.Close() }()
	in := json.NewDecoder(c)
	transact := func(operations ...any) error {
		request := map[string]any{"id": "floor", "method": "transact", "params": append([]any{"OVN_Northbound"}, operations...)}
		if err := json.NewEncoder(c).Encode(request); err != nil {
			return err
		}
		var reply struct {
			Result []struct{ Error, Details string }
			Error  any
		}
		if err := in.Decode(&reply); err != nil {
			return err
		}
		for _, r := range reply.Result {
			if r.Error != "" {
				return fmt.Errorf("%s: %s", r.Error, r.Details)
			}
		}
		if reply.Error != nil {
			return fmt.Errorf("%v", reply.Error)
		}
		return nil
	}
	var samples []float64
	for n := range repeats {
		uuid := []string{"uuid", fmt.Sprintf("1d7f0a3e-0000-4000-8000-%012d", n)}
		inSwitch := func(mutator string) map[string]any {
			return map[string]any{
				"op": "mutate", "table": "Logical_Switch", "where": [][]any{{"name", "==", nodeName(0)}}, "mutations": [][]any{{"ports", mutator, uuid}},
			}
		}
		text := "0a:58:0a:f0:00:fe 10.240.0.254"
		row := map[string]any{"name": fmt.Sprint("floor/", n), "addresses": text, "port_security": text}
		begin := time.Now()
		if err := transact(map[string]any{"op": "insert", "table": "Logical_Switch_Port", "uuid": uuid[1], "row": row}, inSwitch("insert")); err != nil {
			return nil, err
		}
		samples = append(samples, milliseconds(time.Since(begin)))
		if err := transact(inSwitch("delete")); err != nil {
			return nil, err
		}
	}
	return samples, nil
}

// floorOfRestart returns how long it takes to read what a controller must read, all pods and the whole Northbound
// database, and do nothing with it.
func (w *world) floorOfRestart(ctx context.Context) (time.Duration, error) {
	begin := time.Now()
	if _, err := w.api.Client.CoreV1().Pods("").List(ctx, metav1.ListOptions{ResourceVersion: "0"}); err != nil {
		return 0, err
	}
	if _, err := w.tool(ctx, "ovsdb-client", "dump", w.north.remote, "OVN_Northbound"); err != nil {
		return 0, err
	}
	return time.Since(begin), nil
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
