package nbsync

import (
	"encoding/json"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// observer sees the database after every transaction, by a monitor of its own (RFC 7047, section 4.1.5). It shares
// nothing with the engine: neither connection nor copy.
type observer struct {
	t    testing.TB
	conn net.Conn
	// seen is called with the content after each transaction, in the goroutine that reads.
	seen func(before, after snapshot)

	mu   sync.Mutex
	rows snapshot
	// replies carries the identifiers of answered requests.
	replies chan string
}

// snapshot maps a table and a UUID to the row's columns in JSON notation.
type snapshot map[string]map[string]map[string]any

func (s snapshot) clone() snapshot {
	out := snapshot{}
	for table, rows := range s {
		out[table] = map[string]map[string]any{}
		for uuid, r := range rows {
			out[table][uuid] = r // A row is replaced as a whole.
		}
	}
	return out
}

// observe begins to watch columns of tables. The observer ends with the test or with the server.
func observe(t testing.TB, remote string, tables map[string][]string, seen func(before, after snapshot)) *observer {
	conn, err := net.Dial("unix", strings.TrimPrefix(remote, "unix:"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	o := &observer{t: t, conn: conn, seen: seen, rows: snapshot{}, replies: make(chan string, 1)}
	requests := map[string]any{}
	for table, columns := range tables {
		requests[table] = map[string]any{"columns": columns}
	}
	decoder := json.NewDecoder(conn)
	o.send("monitor", "monitor", []any{"OVN_Northbound", nil, requests})
	var first message
	require.NoError(t, decoder.Decode(&first))
	o.apply(first.Result)
	go o.read(decoder)
	return o
}

type message struct {
	Method string
	Params []json.RawMessage
	Result json.RawMessage
	ID     any
}

func (o *observer) send(id, method string, params []any) {
	text, err := json.Marshal(map[string]any{"id": id, "method": method, "params": params})
	require.NoError(o.t, err)
	_, err = o.conn.Write(text)
	require.NoError(o.t, err)
}

func (o *observer) read(decoder *json.Decoder) {
	for {
		var m message
		if decoder.Decode(&m) != nil {
			close(o.replies)
			return
		}
		switch m.Method {
		case "update":
			before := o.rows.clone()
			o.apply(m.Params[1])
			o.seen(before, o.rows)
		case "echo":
			text, _ := json.Marshal(map[string]any{"id": m.ID, "result": []any{}, "error": nil})
			_, _ = o.conn.Write(text)
		default:
			o.replies <- fmt.Sprint(m.ID)
		}
	}
}

// apply changes the copy by <table-updates>.
func (o *observer) apply(updates json.RawMessage) {
	var tables map[string]map[string]struct{ New map[string]any }
	require.NoError(o.t, json.Unmarshal(updates, &tables))
	for table, rows := range tables {
		if o.rows[table] == nil {
			o.rows[table] = map[string]map[string]any{}
		}
		for uuid, r := range rows {
			if r.New == nil {
				delete(o.rows[table], uuid)
			} else {
				o.rows[table][uuid] = r.New
			}
		}
	}
}

// flush returns when the observer has seen all transactions that were committed before: the server keeps the order of
// what it sends. Without it the server may send two transactions as one update.
func (o *observer) flush() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.send("flush", "echo", []any{})
	select {
	case <-o.replies:
	case <-time.After(30 * time.Second):
		o.t.Error("the server does not answer the observer")
	}
}

// elementsIn returns the elements of a set in JSON notation (RFC 7047, section 5.1): texts, or UUIDs.
func elementsIn(v any) []string {
	list, ok := v.([]any)
	if !ok {
		return []string{fmt.Sprint(v)}
	}
	if len(list) == 2 && list[0] == "uuid" {
		return []string{fmt.Sprint(list[1])}
	}
	var out []string
	for _, e := range list[1].([]any) {
		out = append(out, elementsIn(e)...)
	}
	return out
}
