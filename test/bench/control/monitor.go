package control

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/woven-network/woven/go-controller/pkg/ovn/schema"
)

// port is a logical switch port as it appears in the Northbound database.
type port struct {
	name, addresses string
	// seen is when the monitor was told.
	seen time.Time
}

// monitor watches the whole Northbound database by RFC 7047 alone, without anything of Woven's: what it has not seen
// has not been written.
type monitor struct {
	connection net.Conn
	// ports receives every new logical switch port, but not those that were there at the start.
	ports chan port

	mu sync.Mutex
	// rows counts the changes of rows by table.
	rows map[string]int
	err  error
}

// message is a JSON-RPC 1.0 message of either direction.
type message struct {
	ID     any               `json:"id"`
	Method string            `json:"method,omitempty"`
	Params []json.RawMessage `json:"params,omitempty"`
	Result json.RawMessage   `json:"result,omitempty"`
	Error  any               `json:"error"`
}

// update is the second parameter of "update": table, row, and its new and old content. A row that comes has no old one.
type update map[string]map[string]struct{ New, Old json.RawMessage }

// startMonitor starts a monitor of all columns of all tables. It returns when the present content has been told.
func startMonitor(socket string) (*monitor, error) {
	c, err := net.Dial("unix", socket)
	if err != nil {
		return nil, err
	}
	m := &monitor{connection: c, ports: make(chan port, 100_000), rows: map[string]int{}}
	var tables struct{ Tables map[string]json.RawMessage }
	if err := json.Unmarshal(schema.Northbound, &tables); err != nil {
		return nil, err
	}
	requests := map[string]any{}
	for table := range tables.Tables {
		requests[table] = map[string]any{}
	}
	request := map[string]any{"id": "monitor", "method": "monitor", "params": []any{"OVN_Northbound", "bench", requests}}
	if err := json.NewEncoder(c).Encode(request); err != nil {
		return nil, err
	}
	incoming := json.NewDecoder(c)
	var first message
	if err := incoming.Decode(&first); err != nil {
		return nil, err
	}
	if first.Error != nil {
		return nil, fmt.Errorf("monitor of the Northbound database: %v", first.Error)
	}
	go m.read(incoming)
	return m, nil
}

func (m *monitor) stop() { _ = m.connection.Close() }

func (m *monitor) read(incoming *json.Decoder) {
	for {
		var in message
		err := incoming.Decode(&in)
		now := time.Now()
		if err == nil {
			err = m.take(in, now)
		}
		if err != nil {
			m.mu.Lock()
			m.err = err
			m.mu.Unlock()
			close(m.ports)
			return
		}
	}
}

func (m *monitor) take(in message, now time.Time) error {
	switch in.Method {
	case "echo":
		return json.NewEncoder(m.connection).Encode(map[string]any{"id": in.ID, "result": in.Params, "error": nil})
	case "update":
		if len(in.Params) != 2 {
			return errors.New("an update has two parameters")
		}
	default:
		return nil
	}
	var u update
	if err := json.Unmarshal(in.Params[1], &u); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for table, rows := range u {
		m.rows[table] += len(rows)
		if table != "Logical_Switch_Port" {
			continue
		}
		for _, r := range rows {
			if r.Old != nil || r.New == nil {
				continue
			}
			var content struct {
				Name      string
				Addresses any
			}
			if err := json.Unmarshal(r.New, &content); err != nil {
				return err
			}
			text, _ := content.Addresses.(string)
			m.ports <- port{name: content.Name, addresses: text, seen: now}
		}
	}
	return nil
}

// changes returns how many changes of rows there were, of all tables.
func (m *monitor) changes() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	sum := 0
	for _, n := range m.rows {
		sum += n
	}
	return sum
}

// byTable returns the same as text, for messages.
func (m *monitor) byTable() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return fmt.Sprint(m.rows)
}

// forget drops the ports that nobody has asked for.
func (m *monitor) forget() {
	for {
		select {
		case <-m.ports:
		default:
			return
		}
	}
}

// await waits until all these ports have come, and returns when each was seen.
func (m *monitor) await(names map[string]struct{}, patience time.Duration) (map[string]port, error) {
	found := map[string]port{}
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for len(found) < len(names) {
		select {
		case p, ok := <-m.ports:
			if !ok {
				return nil, fmt.Errorf("the monitor has ended: %w", m.err)
			}
			if _, ok := names[p.name]; ok {
				found[p.name] = p
			}
		case <-deadline.C:
			return nil, fmt.Errorf("after %s only %d of %d pods have a port", patience, len(found), len(names))
		}
	}
	return found, nil
}
