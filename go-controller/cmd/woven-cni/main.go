// Command woven-cni is the CNI plugin (specification 1.1) that container runtimes execute. It hands the call to
// Woven's node agent and prints the answer; it knows nothing itself, so it needs no update when the agent has one.
package main

import (
	"encoding/json"

	"github.com/containernetworking/cni/pkg/skel"
	"github.com/containernetworking/cni/pkg/types"
	current "github.com/containernetworking/cni/pkg/types/100"
	"github.com/containernetworking/cni/pkg/version"

	"github.com/woven-network/woven/go-controller/pkg/cni"
)

func main() {
	without := func(command string) func(*skel.CmdArgs) error {
		return func(args *skel.CmdArgs) error {
			_, err := cni.Call(command, args)
			return err
		}
	}
	skel.PluginMainFuncs(skel.CNIFuncs{
		Add: add, Del: without(cni.Del), Check: without(cni.Check), GC: without(cni.GC), Status: without(cni.Status),
	}, version.All, "Woven: pod networks on OVN. Commands are answered by the node agent at "+cni.DefaultSocket)
}

// add prints the result in the version that the network configuration asks for.
func add(args *skel.CmdArgs) error {
	var conf types.PluginConf
	if err := json.Unmarshal(args.StdinData, &conf); err != nil {
		return types.NewError(types.ErrDecodingFailure, "the network configuration is not JSON", err.Error())
	}
	text, err := cni.Call(cni.Add, args)
	if err != nil {
		return err
	}
	result, err := current.NewResult(text)
	if err != nil {
		return types.NewError(types.ErrDecodingFailure, "the node agent's result is not one", err.Error())
	}
	return types.PrintResult(result, conf.CNIVersion)
}
