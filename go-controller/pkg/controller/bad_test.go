package controller

import (
	"context"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/go-logr/logr/funcr"
	libovsdb "github.com/ovn-kubernetes/libovsdb/ovsdb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	clientgotesting "k8s.io/client-go/testing"

	"github.com/woven-network/woven/go-controller/pkg/endpoint"
	"github.com/woven-network/woven/go-controller/pkg/kube/kubetest"
	"github.com/woven-network/woven/go-controller/pkg/row"
)

// served is a controller that runs, what it logs and what it answers over HTTP.
type served struct {
	endpoints endpoint.Addresses
	end       func() error

	mu  sync.Mutex
	log []string
}

// serve runs a controller with metrics at an address; empty: none.
func (l *lab) serve(t *testing.T, metrics string) *served {
	t.Helper()
	dir, err := os.MkdirTemp("", "probe") // A socket's path must be shorter than 108 bytes, and a test's name may be longer.
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	s := &served{endpoints: endpoint.Addresses{Metrics: metrics, Probes: filepath.Join(dir, "s")}}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	log := funcr.New(func(_, line string) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.log = append(s.log, line)
	}, funcr.Options{})
	go func() {
		done <- Run(ctx, Options{Config: l.config, Client: kubetest.Client(l.api), LeaseNamespace: "woven-system", Endpoints: s.endpoints, Log: log})
	}()
	s.end = sync.OnceValue(func() error { cancel(); return <-done })
	t.Cleanup(func() { _ = s.end() })
	return s
}

func (s *served) logged() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.log, "\n")
}

// ready returns what /readyz answers, or why there is no answer.
func (s *served) ready() string {
	var text strings.Builder
	if err := endpoint.Ask(context.Background(), s.endpoints.Probes, "/readyz", &text); err != nil {
		return strings.TrimPrefix(err.Error(), "/readyz: ")
	}
	return strings.TrimSpace(text.String())
}

func TestUnreachableDatabaseIsToldAndWaitedFor(t *testing.T) {
	l := newLab(t)
	l.add(t, labNode(), labPod("web"))
	l.nbServer.Stop()
	s := l.serve(t, "")
	l.eventually(t, "it is not ready", func() bool {
		return s.ready() == "not ready: the Northbound database is not reached yet; the log says why"
	})
	l.eventually(t, "the log says why", func() bool {
		return strings.Contains(s.logged(), "database OVN_Northbound at "+l.nbServer.Remote+" cannot be reached; is its ovsdb-server running?")
	})
	l.nbServer.Continue()
	l.eventually(t, "it is ready once the database is back", func() bool { return s.ready() == "ok" })
	l.eventually(t, "and does its work", func() bool { return l.ports(t)["ns/web"] != "" })
}

// The connection is lost while the leader waits to hear of a pod that has a row: it goes on waiting over the next one.
func TestDatabaseThatRestartsWhilePodsAreWaitedFor(t *testing.T) {
	l := newLab(t)
	web := labPod("web")
	web.UID = "1d7f0a3e"
	l.add(t, labNode(), web)
	stop := l.run(t)
	l.eventually(t, "the pod has a port", func() bool { return l.ports(t)["ns/web"] != "" })
	stop()
	// The View hears of no pod, but who asks for one is told.
	l.api.PrependReactor("list", "pods", func(clientgotesting.Action) (bool, runtime.Object, error) {
		return true, &corev1.PodList{}, nil
	})
	news := watch.NewFake()
	l.api.PrependWatchReactor("pods", clientgotesting.DefaultWatchReactor(news, nil))
	s := l.serve(t, "")
	waits := func(times int) func() bool {
		return func() bool {
			return strings.Count(s.logged(), "waiting until all pods that have rows are known") == times
		}
	}
	l.eventually(t, "it waits for the pod", waits(1))
	address := l.ports(t)["ns/web"]
	l.nbServer.Stop()
	l.nbServer.Continue()
	l.eventually(t, "it waits again", waits(2))
	news.Add(web)
	l.eventually(t, "it leads", func() bool { return s.ready() == "ok" && strings.Contains(s.logged(), "in accord") })
	assert.Equal(t, address, l.ports(t)["ns/web"])
}

func TestWrongDatabaseIsTold(t *testing.T) {
	l := newLab(t)
	l.config.OVN.Northbound = l.config.OVN.Southbound
	s := l.serve(t, "")
	l.eventually(t, "the log says what to do", func() bool {
		return strings.Contains(s.logged(), "database OVN_Northbound: the server at "+l.config.OVN.Southbound+" does not have it; write the remote of the right database")
	})
	assert.Contains(t, s.ready(), "not ready")
	err := s.end()
	assert.ErrorContains(t, err, "does not have it", "the error says it too")
}

// TestTakenMetricsPort has another process hold the controller's metrics port: the controller does its work.
func TestTakenMetricsPort(t *testing.T) {
	l := newLab(t)
	l.add(t, labNode(), labPod("web"))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = listener.Close() }()
	s := l.serve(t, listener.Addr().String())
	l.eventually(t, "it is ready", func() bool { return s.ready() == "ok" })
	l.eventually(t, "and does its work", func() bool { return l.ports(t)["ns/web"] != "" })
	assert.Equal(t, 1, strings.Count(s.logged(), "metrics are not served"), "it is logged once")
	assert.NoError(t, s.end())
}

// TestNonsenseByHandIsMended has a person overwrite every text of every row of ours, while a controller runs and while none
// does, and a stranger take the name of a pod's port.
func TestNonsenseByHandIsMended(t *testing.T) {
	l := newLab(t)
	l.add(t, labNode(), labPod("web"), labPod("db", "10.244.1.77"))
	l.chassis(t, "a", labGateway)
	stop := l.run(t)
	l.eventually(t, "all rows", func() bool { p := l.ports(t); return p["ns/web"] != "" && p["ns/db"] != "" && p["gw-a_ext_peer"] != "" })
	before := l.content(t)

	l.vandalize(t)
	l.eventually(t, "it is as before", func() bool { return maps.Equal(before, l.content(t)) })
	stop()

	l.vandalize(t)
	require.NotEqual(t, before, l.content(t))
	stop = l.run(t)
	defer stop()
	// What is chosen and written nowhere else than in these rows may be chosen anew; nothing here is, for nobody else
	// asks for addresses.
	l.eventually(t, "it is as before", func() bool { return maps.Equal(before, l.content(t)) })
}

var everyRow = []libovsdb.Condition{libovsdb.NewCondition("_uuid", libovsdb.ConditionNotEqual, libovsdb.UUID{GoUUID: "00000000-0000-0000-0000-000000000000"})}

// vandalize overwrites the values of all rows of ours but the names and marks by which they are known.
func (l *lab) vandalize(t *testing.T) {
	t.Helper()
	nonsense := libovsdb.OvsMap{GoMap: map[any]any{"nonsense": "\"); drop"}}
	for table, columns := range map[string]libovsdb.Row{
		"Logical_Switch_Port":         {"addresses": "nonsense", "port_security": "x", "options": nonsense, "type": "nonsense", "enabled": false},
		"Logical_Switch":              {"other_config": nonsense, "load_balancer_group": libovsdb.OvsSet{}},
		"Logical_Router":              {"options": nonsense, "enabled": false},
		"Logical_Router_Port":         {"networks": "nonsense", "mac": "x", "options": nonsense},
		"Logical_Router_Static_Route": {"ip_prefix": "nonsense", "nexthop": "x"},
		"Logical_Router_Policy":       {"match": "nonsense", "priority": 1},
		"NAT":                         {"external_ip": "nonsense", "logical_ip": "x", "match": "("},
		"Static_MAC_Binding":          {"mac": "nonsense"},
	} {
		results, err := l.northbound.Transact(t.Context(), libovsdb.Operation{Op: libovsdb.OperationUpdate, Table: table, Where: everyRow, Row: columns})
		require.NoError(t, err)
		require.Empty(t, results[0].Error, "%s: %s", table, results[0].Details)
		require.Positive(t, results[0].Count, table)
	}
}

// content returns all rows of the tables we write: table and UUID -> columns.
func (l *lab) content(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, table := range row.Tables {
		results, err := l.northbound.Transact(t.Context(), libovsdb.Operation{Op: libovsdb.OperationSelect, Table: table.Name, Where: everyRow})
		require.NoError(t, err)
		for _, r := range results[0].Rows {
			delete(r, "_version")
			uuid := r["_uuid"].(libovsdb.UUID).GoUUID
			all[table.Name+" "+uuid] = sortedText(r)
		}
	}
	return all
}

// sortedText returns a row as text that does not depend on the order of a set's elements.
func sortedText(r libovsdb.Row) string {
	var lines []string
	for column, value := range r {
		switch v := value.(type) {
		case libovsdb.OvsSet:
			var elements []string
			for _, e := range v.GoSet {
				elements = append(elements, fmt.Sprint(e))
			}
			slices.Sort(elements)
			lines = append(lines, fmt.Sprint(column, " ", elements))
		default:
			lines = append(lines, fmt.Sprint(column, " ", value))
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}
