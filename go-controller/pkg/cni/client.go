package cni

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/containernetworking/cni/pkg/skel"
	"github.com/containernetworking/cni/pkg/types"
	"golang.org/x/sys/unix"
)

// callTimeout is how long the shim waits for the agent. It is longer than the agent's own limit, so that the
// agent's answer, which says what it waited for, is the one that is seen.
const callTimeout = 90 * time.Second

// Call sends one command to the agent and returns the result's JSON text, or nil when the command has none. An
// error is always a *types.Error with a code of the specification. An agent that is being restarted is waited for.
func Call(command string, args *skel.CmdArgs) (json.RawMessage, error) {
	wait := patience
	if command == Status || command == GC {
		wait = 0 // STATUS asks whether the agent is there now; GC comes again.
	}
	return call(command, args, wait)
}

func call(command string, args *skel.CmdArgs, wait time.Duration) (json.RawMessage, error) {
	socket, err := socketOf(args.StdinData)
	if err != nil {
		return nil, types.NewError(types.ErrDecodingFailure, "the network configuration is not JSON", err.Error())
	}
	request := Request{
		Command: command, ContainerID: args.ContainerID, Netns: args.Netns, IfName: args.IfName, Args: args.Args, Config: args.StdinData,
	}
	response, err := sendPatiently(socket, request, wait)
	if err != nil {
		return nil, unreachable(command, err)
	}
	if response.Error != nil {
		return nil, response.Error
	}
	return response.Result, nil
}

// unreachable is the error for an agent that does not answer. For DEL too: what is left of the attachment is
// known to the agent only, and with "try again later" the runtime calls again until the agent is back.
func unreachable(command string, err error) *types.Error {
	code := types.ErrTryAgainLater
	if command == Status {
		code = types.ErrPluginNotAvailable
	}
	return types.NewError(code, "Woven's node agent does not answer; look at the pod woven-node of this node", err.Error())
}

func socketOf(config []byte) (string, error) {
	conf := struct {
		Socket string `json:"socket"`
	}{Socket: DefaultSocket}
	err := json.Unmarshal(config, &conf)
	return conf.Socket, err
}

// Send asks the agent at a socket. An error says that it did not answer, and is net.OpError with ECONNREFUSED or ENOENT
// when there is no agent.
func Send(socket string, request Request) (Response, error) {
	message, err := encode(request)
	if err != nil {
		return Response{}, err
	}
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		return Response{}, err
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(callTimeout)); err != nil {
		return Response{}, err
	}
	rights, closeNetns, err := netnsRights(request.Netns)
	if err != nil {
		return Response{}, err
	}
	defer closeNetns()
	// The file descriptor goes with the first byte; a socket may take less than the whole text at once.
	n, _, err := conn.WriteMsgUnix(message, rights, nil)
	if err == nil && n < len(message) {
		_, err = conn.Write(message[n:])
	}
	if err != nil {
		return Response{}, fmt.Errorf("send: %w", err)
	}
	var response Response
	if err := decode(conn, &response); err != nil {
		return Response{}, fmt.Errorf("receive: %w", err)
	}
	return response, nil
}

// netnsRights opens the network namespace to send it along. A namespace that is gone is no error here: DEL must
// succeed without it, and the agent answers other commands with the specification's code.
func netnsRights(path string) (rights []byte, done func(), err error) {
	if path == "" {
		return nil, func() {}, nil
	}
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, func() {}, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("network namespace: %w", err)
	}
	return unix.UnixRights(int(f.Fd())), func() { f.Close() }, nil
}
