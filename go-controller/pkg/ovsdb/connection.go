package ovsdb

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/cenkalti/rpc2"
	"github.com/cenkalti/rpc2/jsonrpc"
	"github.com/ovn-kubernetes/libovsdb/client"
	"github.com/ovn-kubernetes/libovsdb/model"
	"github.com/ovn-kubernetes/libovsdb/ovsdb"
)

// silence is how long a server may send nothing while it makes the first copy of a database.
const silence = 30 * time.Second

// connection is a Replica's connection, from the moment that the copy is complete.
type connection struct {
	// Context ends with the connection, before anybody gets an error of it.
	context.Context
	end context.CancelFunc
	rpc *rpc2.Client
	// gone is closed when nothing more that came over it will be taken in.
	gone chan struct{}
}

// call is a request of RFC 7047, section 4.1, that waits for its reply until ctx or the connection ends; the error is then
// ctx's or context.Canceled, though the server may have done it. None is begun after ctx has ended.
func (c *connection) call(ctx context.Context, method string, params []any, result any) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(c, cancel)()
	if err := ctx.Err(); err != nil {
		return err
	}
	err := c.rpc.CallWithContext(ctx, method, params, result)
	if ended := c.Err(); ended != nil {
		return ended // Also of a reply that came behind an update that could not be taken in.
	}
	return err
}

// stream reads and writes a connection.
type stream struct {
	io.Reader
	net.Conn
	end context.CancelFunc
}

// Read implements io.Reader.
func (s stream) Read(b []byte) (int, error) { return s.Reader.Read(b) }

// Write implements io.Writer.
func (s stream) Write(b []byte) (int, error) {
	n, err := s.Conn.Write(b)
	if err != nil {
		s.end()
		_ = s.Close()
	}
	return n, err
}

// codec ends a connection with what cannot be read, as rpc2 does after it has told those who wait for a reply.
type codec struct {
	rpc2.Codec
	end context.CancelFunc
}

func (c codec) check(err error) error {
	if err != nil {
		c.end()
	}
	return err
}

// ReadHeader implements rpc2.Codec.
func (c codec) ReadHeader(q *rpc2.Request, p *rpc2.Response) error {
	return c.check(c.Codec.ReadHeader(q, p))
}

// ReadRequestBody implements rpc2.Codec.
func (c codec) ReadRequestBody(body any) error { return c.check(c.Codec.ReadRequestBody(body)) }

// ReadResponseBody implements rpc2.Codec.
func (c codec) ReadResponseBody(body any) error { return c.check(c.Codec.ReadResponseBody(body)) }

// open connects to a remote of ovsdb(7): unix:<file>, tcp:<ip>:<port> or ssl:<ip>:<port>.
func (t Target) open(ctx context.Context, remote string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	var dialer interface {
		DialContext(ctx context.Context, network, address string) (net.Conn, error)
	} = &net.Dialer{}
	method, address, _ := strings.Cut(remote, ":")
	network := client.TCP
	switch method {
	case client.UNIX:
		network = client.UNIX
	case client.TCP:
	case client.SSL:
		config, err := t.tls()
		if err != nil {
			return nil, err
		}
		dialer = &tls.Dialer{Config: config}
	default:
		return nil, fmt.Errorf("database %s: the connection method of %s is none of unix, tcp and ssl", t.Name, remote)
	}
	conn, err := dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, t.explain(err)
	}
	return conn, nil
}

// introduction is the beginning of a connection, in which one request is answered before the next is sent. So the reply
// that has the whole database can be taken in row by row: libovsdb's client, and any other that reads a message before it
// looks into it, takes several times the memory of the rows for that, and leaves it full of holes (docs/performance.md).
type introduction struct {
	net.Conn
	in  *json.Decoder
	out *json.Encoder
	// patience is how long the server may be silent.
	patience time.Duration
}

func introduce(conn net.Conn) *introduction {
	i := &introduction{Conn: conn, out: json.NewEncoder(conn), patience: connectTimeout}
	i.in = json.NewDecoder(i)
	return i
}

// Read implements io.Reader.
func (i *introduction) Read(b []byte) (int, error) {
	if err := i.SetReadDeadline(time.Now().Add(i.patience)); err != nil {
		return 0, err
	}
	return i.Conn.Read(b)
}

// refusal is a server's answer that it does not do what it was asked for.
type refusal struct {
	method string
	why    any
}

func (r refusal) Error() string {
	why := fmt.Sprint(r.why)
	if object, ok := r.why.(map[string]any); ok { // RFC 7047, section 3.1, <error>
		why = fmt.Sprintf("%v: %v", object["error"], object["details"])
	}
	return fmt.Sprintf("the server refuses %s: %s", r.method, why)
}

// ask sends a request and has result read what the reply has as its result, which may be null.
func (i *introduction) ask(method string, params []any, result func(*json.Decoder) error) error {
	if err := i.out.Encode(map[string]any{"method": method, "params": params, "id": method}); err != nil {
		return err
	}
	for {
		var from string
		var refused, id any
		err := members(i.in, func(name string) error {
			switch name {
			case "method":
				return i.in.Decode(&from)
			case "id":
				return i.in.Decode(&id)
			case "error":
				return i.in.Decode(&refused)
			case "result":
				return result(i.in)
			default:
				return i.in.Decode(new(json.RawMessage))
			}
		})
		switch {
		case err != nil:
			return fmt.Errorf("reply to %s: %w", method, err)
		case from == "echo": // RFC 7047, section 4.1.11
			if err := i.out.Encode(map[string]any{"result": []any{}, "error": nil, "id": id}); err != nil {
				return err
			}
		case from != "":
			// Another notification is none of ours.
		case refused != nil:
			return refusal{method, refused}
		default:
			return nil
		}
	}
}

// described asks for the schema and returns the model that it makes with the Go types.
func (i *introduction) described(t Target) (model.DatabaseModel, error) {
	var schema ovsdb.DatabaseSchema
	err := i.ask("get_schema", ovsdb.NewGetSchemaArgs(t.Name), func(in *json.Decoder) error { return in.Decode(&schema) })
	if err != nil {
		return model.DatabaseModel{}, err
	}
	m, errs := model.NewDatabaseModel(schema, t.Model)
	if len(errs) > 0 {
		return model.DatabaseModel{}, fmt.Errorf("validation error: %w", errors.Join(errs...))
	}
	return m, nil
}

// watch begins the monitor and has take carry out the first copy, in parts (ovsdb-server(7), "monitor_cond").
func (i *introduction) watch(t Target, take func(ovsdb.TableUpdates2) error) error {
	requests := map[string]ovsdb.MonitorRequest{}
	for table := range t.Model.Types() {
		requests[table] = ovsdb.MonitorRequest{Columns: t.columns(table), Select: ovsdb.NewDefaultMonitorSelect()}
	}
	i.patience = silence
	return i.ask(ovsdb.ConditionalMonitorRPC, ovsdb.NewMonitorArgs(t.Name, nil, requests), func(in *json.Decoder) error {
		return readUpdates(in, take)
	})
}

// established makes a connection of it, on which take carries out every update before the next message is read: when the
// reply to a transaction comes, the copy shows what it did. A transaction of somebody else's may be seen in parts. An update
// that take refuses ends the connection, and refused is told why.
func (i *introduction) established(take func(ovsdb.TableUpdates2) error, refused func(error)) (*connection, error) {
	if err := i.SetReadDeadline(time.Time{}); err != nil {
		return nil, err
	}
	c := &connection{gone: make(chan struct{})}
	c.Context, c.end = context.WithCancel(context.Background())
	rest := stream{io.MultiReader(i.in.Buffered(), i.Conn), i.Conn, c.end}
	c.rpc = rpc2.NewClientWithCodec(codec{jsonrpc.NewJSONCodec(rest), c.end})
	c.rpc.SetBlocking(true)
	c.rpc.Handle("echo", func(_ *rpc2.Client, params []any, reply *[]any) error {
		*reply = params
		return nil
	})
	for _, notification := range []string{"locked", "stolen"} { // What is stolen is found out by the next transaction.
		c.rpc.Handle(notification, func(*rpc2.Client, []any, *[]any) error { return nil })
	}
	conn := i.Conn
	c.rpc.Handle("update2", func(_ *rpc2.Client, params []json.RawMessage, _ *[]any) error {
		if err := c.Err(); err != nil {
			return err // It was sent before the end was noticed.
		}
		err := errors.New("update2 without table-updates")
		if len(params) == 2 {
			err = readUpdates(json.NewDecoder(bytes.NewReader(params[1])), take)
		}
		if err != nil {
			c.end()
			_ = conn.Close()
			refused(err)
		}
		return err
	})
	go func() {
		defer close(c.gone)
		defer c.end()
		c.rpc.Run()
	}()
	return c, nil
}
