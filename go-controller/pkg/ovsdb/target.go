// Package ovsdb connects to OVSDB servers (RFC 7047): the Northbound, the Southbound and the local Open vSwitch
// database. A Client is libovsdb's client, for some rows of a database; a Replica is a copy of a large one. Both stay
// connected: they find a server that answers among several, notice a silent one, reconnect with backoff, and tell when
// the connection has changed (Session).
package ovsdb

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ovn-kubernetes/libovsdb/model"

	"github.com/woven-network/woven/go-controller/pkg/config"
	"github.com/woven-network/woven/go-controller/pkg/ovn/nb"
	"github.com/woven-network/woven/go-controller/pkg/ovn/sb"
	"github.com/woven-network/woven/go-controller/pkg/ovn/vswitch"
	"github.com/woven-network/woven/go-controller/pkg/row"
)

// Target says which database to connect to.
type Target struct {
	// Name of the database, such as "OVN_Northbound".
	Name string
	// Remote holds connection methods of ovsdb(7), several separated by commas: the first that answers is taken.
	Remote string
	// PrivateKey, Certificate and CACertificate are PEM files for "ssl:" remotes.
	PrivateKey, Certificate, CACertificate string
	// Model holds the Go types of the tables, which have the columns that Woven uses, and the indexes of the cache.
	Model model.ClientDBModel
	// Floor is the release whose schema the models were generated from, for messages.
	Floor string
}

// Northbound is the OVN Northbound database. The tables that Woven writes have indexes by name.
func Northbound(c config.OVN) (Target, error) {
	m, err := nb.FullDatabaseModel()
	if err != nil {
		return Target{}, fmt.Errorf("northbound model: %w", err)
	}
	m.SetIndexes(northboundIndexes())
	return ovnTarget(c, c.Northbound, m), nil
}

// Southbound is the OVN Southbound database.
func Southbound(c config.OVN) (Target, error) {
	m, err := sb.FullDatabaseModel()
	if err != nil {
		return Target{}, fmt.Errorf("southbound model: %w", err)
	}
	return ovnTarget(c, c.Southbound, m), nil
}

// Vswitch is a node's own database, at a remote such as "unix:/run/openvswitch/db.sock".
func Vswitch(remote string) (Target, error) {
	m, err := vswitch.FullDatabaseModel()
	if err != nil {
		return Target{}, fmt.Errorf("Open_vSwitch model: %w", err)
	}
	return Target{Name: m.Name(), Remote: remote, Model: m, Floor: "Open vSwitch 3.5"}, nil
}

func ovnTarget(c config.OVN, remote string, m model.ClientDBModel) Target {
	return Target{
		Name: m.Name(), Remote: remote, Model: m, Floor: "OVN 25.03",
		PrivateKey: c.PrivateKey, Certificate: c.Certificate, CACertificate: c.CACertificate,
	}
}

// columns returns the columns of a table's Go type. Nothing else is asked of a server: of other columns, northd or
// ovs-vswitchd changes some all the time, such as a port's "up".
func (t Target) columns(table string) []string {
	var columns []string
	fields := t.Model.Types()[table].Elem()
	for i := range fields.NumField() {
		if name := fields.Field(i).Tag.Get("ovsdb"); name != "_uuid" {
			columns = append(columns, name)
		}
	}
	return columns
}

// remotes returns the single remotes.
func (t Target) remotes() []string { return strings.Split(t.Remote, ",") }

// rotate returns the list with its first element last.
func rotate(remotes []string) []string {
	return append(slices.Clone(remotes[1:]), remotes[0])
}

// northboundIndexes makes the cache find rows of ours by name without walking a table. Whose a row is, nbsync knows: an
// index by owner would cost 250 bytes for each row.
func northboundIndexes() map[string][]model.ClientIndex {
	indexes := map[string][]model.ClientIndex{}
	for _, t := range row.Tables {
		switch t.Naming {
		case row.ByColumn:
			// Where the schema has an index on the name, libovsdb drops this one.
			indexes[t.Name] = []model.ClientIndex{{Columns: []model.ColumnKey{{Column: t.ColumnOfName()}}}}
		case row.ByExternalID:
			indexes[t.Name] = []model.ClientIndex{{Columns: []model.ColumnKey{{Column: "external_ids", Key: row.NameKey}}}}
		case row.ByReservedName, row.ByPort:
		}
	}
	return indexes
}
