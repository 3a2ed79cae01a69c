package cni

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/containernetworking/cni/pkg/skel"
	"github.com/containernetworking/cni/pkg/types"
	"github.com/stretchr/testify/require"
)

// serveAt runs a server for one test and returns its socket.
func serveAt(t *testing.T, handle Handler) string {
	t.Helper()
	// Not t.TempDir: its path may be longer than the 108 bytes of a socket's.
	dir, err := os.MkdirTemp("", "woven")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket := filepath.Join(dir, "s")
	l, err := Listen(socket)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- Serve(ctx, l, handle) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-served)
	})
	return socket
}

func argsFor(socket, netns string) *skel.CmdArgs {
	return &skel.CmdArgs{ContainerID: "c", Netns: netns, IfName: "eth0", Args: "A=b", StdinData: []byte(`{"socket":"` + socket + `"}`)}
}

func TestCallSendsTheNamespaceAndReturnsTheResult(t *testing.T) {
	file := filepath.Join(t.TempDir(), "netns")
	require.NoError(t, os.WriteFile(file, []byte("inside"), 0o600))
	socket := serveAt(t, func(_ context.Context, r Request, netns *os.File) Response {
		content, err := io.ReadAll(netns)
		require.NoError(t, err)
		text, err := json.Marshal([]string{r.Command, r.ContainerID, r.IfName, r.Args, string(content)})
		require.NoError(t, err)
		return Response{Result: text}
	})
	got, err := Call(Add, argsFor(socket, file))
	require.NoError(t, err)
	require.JSONEq(t, `["ADD","c","eth0","A=b","inside"]`, string(got))

	info, err := os.Stat(socket)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm(), "for root only")
}

func TestCallWithoutANamespace(t *testing.T) {
	socket := serveAt(t, func(_ context.Context, _ Request, netns *os.File) Response {
		require.Nil(t, netns)
		return Response{}
	})
	_, err := Call(Del, argsFor(socket, "/nowhere"))
	require.NoError(t, err, "a DEL comes also when the namespace is gone")
}

func TestErrorsHaveCodes(t *testing.T) {
	socket := serveAt(t, func(context.Context, Request, *os.File) Response {
		return Response{Error: types.NewError(7, "m", "d")}
	})
	_, err := Call(Add, argsFor(socket, ""))
	require.Equal(t, types.NewError(7, "m", "d"), err)

	gone := filepath.Join(t.TempDir(), "none")
	for command, code := range map[string]uint{Add: 11, Del: 11, Check: 11, GC: 11, Status: 50} {
		_, err = call(command, argsFor(gone, ""), 0)
		var coded *types.Error
		require.ErrorAs(t, err, &coded)
		require.Equal(t, code, coded.Code, command)
		require.Contains(t, coded.Msg, "look at the pod woven-node")
	}
}

// TestAnAgentThatIsRestartedIsWaitedFor ends an agent before it has answered, and another, that knows nothing, answers.
func TestAnAgentThatIsRestartedIsWaitedFor(t *testing.T) {
	dir, err := os.MkdirTemp("", "woven")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket := filepath.Join(dir, "s")
	asked := make(chan struct{}, 1)
	agent := func(handle Handler) (end func()) {
		l, err := Listen(socket)
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(context.Background())
		served := make(chan error, 1)
		go func() { served <- Serve(ctx, l, handle) }()
		return func() {
			cancel()
			require.NoError(t, <-served)
		}
	}
	endFirst := agent(func(ctx context.Context, _ Request, _ *os.File) Response {
		asked <- struct{}{}
		<-ctx.Done()
		return Response{Error: types.NewError(11, "interrupted", "")}
	})
	type outcome struct {
		result json.RawMessage
		err    error
	}
	got := make(chan outcome, 1)
	go func() {
		result, err := call(Add, argsFor(socket, ""), time.Minute)
		got <- outcome{result, err}
	}()
	<-asked
	endFirst()
	_, err = call(Status, argsFor(socket, ""), 0)
	require.ErrorContains(t, err, "does not answer", "the socket's name is there, but no agent")
	defer agent(func(context.Context, Request, *os.File) Response { return Response{Result: []byte(`1`)} })()
	o := <-got
	require.NoError(t, o.err)
	require.Equal(t, "1", string(o.result))
}

func TestPatienceEnds(t *testing.T) {
	begin := time.Now()
	_, err := call(Add, argsFor(filepath.Join(t.TempDir(), "none"), ""), 50*time.Millisecond)
	require.ErrorContains(t, err, "does not answer")
	require.GreaterOrEqual(t, time.Since(begin), 50*time.Millisecond)
}

func TestTheHandlerLearnsThatTheShimIsGone(t *testing.T) {
	ended := make(chan error, 1)
	socket := serveAt(t, func(ctx context.Context, _ Request, _ *os.File) Response {
		<-ctx.Done()
		ended <- ctx.Err()
		return Response{}
	})
	conn, err := net.Dial("unix", socket)
	require.NoError(t, err)
	message, err := encode(Request{Command: Add, Config: []byte("{}")})
	require.NoError(t, err)
	_, err = conn.Write(message)
	require.NoError(t, err)
	require.NoError(t, conn.Close())
	select {
	case err := <-ended:
		require.ErrorIs(t, err, context.Canceled)
	case <-time.After(5 * time.Second):
		t.Fatal("the handler still waits")
	}
}

func TestLongMessagesAreRefusedBeforeTheyAreRead(t *testing.T) {
	_, err := encode(Request{Config: []byte(`"` + strings.Repeat("x", maxBody) + `"`)})
	require.ErrorContains(t, err, "more than 1048576")
	announced := binary.BigEndian.AppendUint32(nil, maxBody+1)
	require.ErrorContains(t, decode(bytes.NewReader(announced), &Request{}), "more than 1048576")
}

func FuzzDecode(f *testing.F) {
	for _, r := range []Request{{}, {Command: Add, ContainerID: "c", Config: []byte(`{"a":1}`)}} {
		message, err := encode(r)
		require.NoError(f, err)
		f.Add(message)
	}
	f.Add([]byte{0, 0, 0, 2, '{'})
	f.Add([]byte{0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		var r Request
		if decode(bytes.NewReader(b), &r) != nil {
			return
		}
		again, err := encode(r)
		require.NoError(t, err)
		var back Request
		require.NoError(t, decode(bytes.NewReader(again), &back))
		require.Equal(t, r.Command, back.Command)
		require.Equal(t, r.Args, back.Args)
	})
}
