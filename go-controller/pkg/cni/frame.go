package cni

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
)

// maxBody bounds a message. The longest is a GC of a full node: some 100 bytes for each of a few hundred pods.
const maxBody = 1 << 20

// encode returns a message as it goes over the socket: four bytes of length, most significant first, and the
// JSON text.
func encode(message any) ([]byte, error) {
	body, err := json.Marshal(message)
	if err != nil {
		return nil, err
	}
	if len(body) > maxBody {
		return nil, fmt.Errorf("the message has %d bytes, more than %d", len(body), maxBody)
	}
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...), nil
}

// decode reads one message. It never reads, and never makes room for, more than maxBody bytes.
func decode(r io.Reader, message any) error {
	var length [4]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return err
	}
	n := binary.BigEndian.Uint32(length[:])
	if n > maxBody {
		return fmt.Errorf("a message of %d bytes is announced, more than %d", n, maxBody)
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(r, body); err != nil {
		return err
	}
	return json.Unmarshal(body, message)
}
