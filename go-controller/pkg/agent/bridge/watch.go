package bridge

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/woven-network/woven/go-controller/pkg/pause"
)

// OpenFlow message types, the same in every version (OpenFlow 1.4, A.1).
const (
	ofHello       = 0
	ofEchoRequest = 2
	ofEchoReply   = 3
)

// openFlow10 is the version of the OpenFlow header we send; every ovs-vswitchd takes it.
const openFlow10 = 1

// Watch calls changed whenever ovs-vswitchd takes OpenFlow connections again after it did not. A restarted
// ovs-vswitchd has no flows, and it writes the same into its database as before, so no OVSDB event tells. It keeps
// a connection open, says nothing on it but hello and the answers to echo requests, and sees it close.
func Watch(ctx context.Context, socket string, changed func()) {
	const retry = 200 * time.Millisecond
	for again := true; again; again = pause.For(ctx, retry) {
		// The error is that ovs-vswitchd is not there (any more), which the node's loop finds and reports too.
		_ = watchConnection(ctx, socket, changed)
	}
}

func watchConnection(ctx context.Context, socket string, changed func()) error {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "unix", socket)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	if err := send(conn, ofHello, 0, nil); err != nil {
		return err
	}
	changed()
	for {
		kind, id, body, err := receive(conn)
		if err != nil {
			return err
		}
		if kind != ofEchoRequest {
			continue
		}
		if err := send(conn, ofEchoReply, id, body); err != nil {
			return err
		}
	}
}

const ofHeader = 8

func send(w io.Writer, kind byte, id uint32, body []byte) error {
	m := []byte{openFlow10, kind}
	m = binary.BigEndian.AppendUint16(m, uint16(ofHeader+len(body)))
	m = binary.BigEndian.AppendUint32(m, id)
	_, err := w.Write(append(m, body...))
	return err
}

func receive(r io.Reader) (kind byte, id uint32, body []byte, err error) {
	var header [ofHeader]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return 0, 0, nil, err
	}
	length := int(binary.BigEndian.Uint16(header[2:]))
	if length < ofHeader {
		return 0, 0, nil, errors.New("OpenFlow: a message shorter than its header")
	}
	body = make([]byte, length-ofHeader)
	if _, err := io.ReadFull(r, body); err != nil {
		return 0, 0, nil, fmt.Errorf("OpenFlow: %w", err)
	}
	return header[1], binary.BigEndian.Uint32(header[4:]), body, nil
}
