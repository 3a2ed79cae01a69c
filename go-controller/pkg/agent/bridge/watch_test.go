package bridge

import (
	"bytes"
	"context"
	"net"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// A switch that answers OpenFlow, goes away, and comes back.
func TestWatch(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "m")
	changed := make(chan struct{}, 10)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		Watch(ctx, socket, func() { changed <- struct{}{} })
		close(ended)
	}()
	for range 2 {
		l, err := net.Listen("unix", socket)
		require.NoError(t, err)
		conn, err := l.Accept()
		require.NoError(t, err)
		kind, _, _, err := receive(conn)
		require.NoError(t, err)
		require.EqualValues(t, ofHello, kind)
		<-changed
		require.NoError(t, send(conn, ofEchoRequest, 7, []byte("x")))
		kind, id, body, err := receive(conn)
		require.NoError(t, err)
		require.EqualValues(t, ofEchoReply, kind)
		require.EqualValues(t, 7, id)
		require.Equal(t, []byte("x"), body)
		require.NoError(t, l.Close())
		require.NoError(t, conn.Close())
	}
	cancel()
	<-ended
	require.Empty(t, changed)
}

func FuzzOpenFlow(f *testing.F) {
	f.Add([]byte{1, 0, 0, 8, 0, 0, 0, 1})
	f.Add([]byte{1, 2, 0, 3, 0, 0, 0, 1})
	f.Fuzz(func(_ *testing.T, b []byte) {
		_, _, _, _ = receive(bytes.NewReader(b))
	})
}
