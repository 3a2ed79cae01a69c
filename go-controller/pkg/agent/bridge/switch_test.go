package bridge

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/digitalocean/go-openvswitch/ovs"
	"github.com/stretchr/testify/require"

	"github.com/woven-network/woven/go-controller/pkg/nodelink"
	"github.com/woven-network/woven/go-controller/pkg/ovn/schema"
	"github.com/woven-network/woven/go-controller/pkg/ovsdb/ovsdbtest"
	"github.com/woven-network/woven/test/child"
)

// realSwitch is an ovs-vswitchd with a bridge br-ex, whose ports exist in its memory only (ovs-vswitchd(8),
// --enable-dummy): it needs no privilege.
type realSwitch struct {
	*Switch
	dir string
	// mods are the flow mods that Sync has sent.
	mods []string
}

// startSwitch ends with the test. The ports nic and patch have the OpenFlow numbers of dualStack.
func startSwitch(t *testing.T) *realSwitch {
	t.Helper()
	database := ovsdbtest.Start(t, schema.Vswitch)
	dir, err := os.MkdirTemp("", "switch") // t.TempDir may be too long for a socket
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	s := &realSwitch{dir: dir}
	s.run(t, "ovs-vsctl", "--db="+database.Remote, "--no-wait", "init")
	daemon := s.command(ovsdbtest.Program(t, "ovs-vswitchd"), database.Remote, "--enable-dummy", "--disable-system",
		"--unixctl="+filepath.Join(dir, "ctl"), "--pidfile="+filepath.Join(dir, "pid"), "--no-chdir", "-vconsole:off", "--log-file="+filepath.Join(dir, "log"))
	exited, err := child.Start(daemon)
	require.NoError(t, err)
	t.Cleanup(func() {
		_ = daemon.Process.Kill()
		<-exited
	})
	// ovs-vsctl returns when ovs-vswitchd has done what it says.
	s.run(t, "ovs-vsctl", "--db="+database.Remote, "--timeout=20",
		"--", "add-br", nodelink.ExternalBridge, "--", "set", "Bridge", nodelink.ExternalBridge, "datapath_type=dummy", "fail_mode=standalone",
		"--", "add-port", nodelink.ExternalBridge, "nic", "--", "set", "Interface", "nic", "type=dummy", "ofport_request=1",
		"--", "add-port", nodelink.ExternalBridge, "patch", "--", "set", "Interface", "patch", "type=dummy", "ofport_request=2")
	ofctl := ovsdbtest.Program(t, "ovs-ofctl")
	s.Switch = NewSwitch(
		ovs.Exec(func(_ string, args ...string) ([]byte, error) { return s.command(ofctl, args...).CombinedOutput() }),
		ovs.Pipe(func(stdin io.Reader, _ string, args ...string) ([]byte, error) {
			text, err := io.ReadAll(stdin)
			if err != nil {
				return nil, err
			}
			s.mods = append(s.mods, strings.Split(strings.TrimSpace(string(text)), "\n")...)
			c := s.command(ofctl, args...)
			c.Stdin = bytes.NewReader(text)
			return c.CombinedOutput()
		}))
	return s
}

func (s *realSwitch) command(program []string, args ...string) *exec.Cmd {
	line := append(append([]string{}, program...), args...)
	c := exec.Command(line[0], line[1:]...)
	c.Env = append(os.Environ(), "OVS_RUNDIR="+s.dir, "OVS_LOGDIR="+s.dir, "OVS_DBDIR="+s.dir)
	return c
}

func (s *realSwitch) run(t *testing.T, program string, args ...string) string {
	t.Helper()
	out, err := s.command(ovsdbtest.Program(t, program), args...).CombinedOutput()
	require.NoError(t, err, "%s %v\n%s", program, args, out)
	return string(out)
}

// flows is what the switch has, without counters.
func (s *realSwitch) flows(t *testing.T) string {
	t.Helper()
	return s.run(t, "ovs-ofctl", "--no-stats", "dump-flows", nodelink.ExternalBridge)
}

// receive gives the switch a packet of UDP to an address by its port nic.
func (s *realSwitch) receive(t *testing.T, to string) {
	t.Helper()
	s.run(t, "ovs-appctl", "-t", filepath.Join(s.dir, "ctl"), "netdev-dummy/receive", "nic",
		fmt.Sprintf("in_port(1),eth(src=02:00:00:00:00:01,dst=02:00:00:00:00:0b),eth_type(0x0800),ipv4(src=198.51.100.9,dst=%s,proto=17,tos=0,ttl=64,frag=no),udp(src=1,dst=2)", to))
}

// packets returns how many packets the flow with a cookie has counted.
func (s *realSwitch) packets(t *testing.T, cookie uint64) string {
	t.Helper()
	out := s.run(t, "ovs-ofctl", "dump-aggregate", nodelink.ExternalBridge, fmt.Sprintf("cookie=%#x/-1", cookie))
	_, count, _ := strings.Cut(out, "packet_count=")
	count, _, _ = strings.Cut(count, " ")
	return count
}

func (s *realSwitch) sync(t *testing.T, want []*ovs.Flow) Change {
	t.Helper()
	s.mods = nil
	change, err := s.Sync(want)
	require.NoError(t, err)
	require.Len(t, s.mods, change.Added+change.Removed)
	return change
}

// toAddresses are signed flows to n addresses.
func toAddresses(t *testing.T, n int) []*ovs.Flow {
	t.Helper()
	var flows []*ovs.Flow
	for i := range n {
		flows = append(flows, &ovs.Flow{
			Priority: 500, Protocol: ovs.ProtocolIPv4, Matches: []ovs.Match{ovs.NetworkDestination(fmt.Sprintf("192.0.%d.%d", i/250, i%250+1))},
			Actions: []ovs.Action{ovs.Output(2)},
		})
	}
	signed, err := sign(flows)
	require.NoError(t, err)
	return signed
}

// One address more costs one flow mod, however many there are, and the flows that stay go on counting.
func TestFlowsChangeByTheDifference(t *testing.T) {
	s := startSwitch(t)
	most, all := toAddresses(t, 1000), toAddresses(t, 1001)
	require.Equal(t, Change{Added: 1000}, s.sync(t, most))
	var first *ovs.Flow
	for _, f := range most {
		if text, _ := f.MarshalText(); strings.Contains(string(text), "nw_dst=192.0.0.1,") {
			first = f
		}
	}
	for range 3 {
		s.receive(t, "192.0.0.1")
	}
	require.Eventually(t, func() bool { return s.packets(t, first.Cookie) == "3" }, 10*time.Second, 5*time.Millisecond)
	require.Equal(t, Change{}, s.sync(t, most))
	require.Equal(t, Change{Added: 1}, s.sync(t, all))
	require.Equal(t, Change{Removed: 1}, s.sync(t, most))
	require.Equal(t, "3", s.packets(t, first.Cookie), "the flow was not touched")

	// Other actions for the same match: the new flow takes the place of the old one.
	other := toAddresses(t, 1000)
	other[0].Actions = []ovs.Action{ovs.Drop()}
	other, err := sign(other)
	require.NoError(t, err)
	require.Equal(t, Change{Added: 1, Removed: 1}, s.sync(t, other))
	require.Equal(t, 1000, strings.Count(s.flows(t), "priority=500"))
	require.Equal(t, 1, strings.Count(s.flows(t), "actions=drop"))
	require.Equal(t, Change{}, s.sync(t, other))
}

// Every set of flows is what the switch has after it was written, and writing it again changes nothing: no two flows of a set
// take each other's place.
func TestSyncIsDoneAfterOnce(t *testing.T) {
	s := startSwitch(t)
	require.Contains(t, s.flows(t), "actions=NORMAL", "a bridge that was just made is a plain switch")
	withoutOVN, open := dualStack(), dualStack()
	withoutOVN.OVN, open.Open = 0, true
	var before []*ovs.Flow
	for _, facts := range []Facts{dualStack(), {}, withoutOVN, open, dualStack()} {
		want, err := facts.Flows()
		require.NoError(t, err)
		add, remove := difference(before, want)
		require.Equal(t, Change{Added: len(add), Removed: len(remove)}, s.sync(t, want))
		require.Equal(t, Change{}, s.sync(t, want))
		require.NotContains(t, s.flows(t), "NORMAL")
		require.Equal(t, len(want), strings.Count(s.flows(t), "actions="))
		before = want
	}
}

// Flows of others stay; what a person does to ours is made good.
func TestFlowsOfOthersStay(t *testing.T) {
	s := startSwitch(t)
	want, err := dualStack().Flows()
	require.NoError(t, err)
	s.sync(t, want)
	strangers := []string{"table=0,priority=7,ip,actions=drop", "cookie=0x7,table=9,priority=7,ip,actions=drop"}
	for _, f := range strangers {
		s.run(t, "ovs-ofctl", "add-flow", nodelink.ExternalBridge, f)
	}
	both := s.flows(t)
	require.Equal(t, Change{}, s.sync(t, want))
	require.Equal(t, both, s.flows(t))

	s.run(t, "ovs-ofctl", "del-flows", nodelink.ExternalBridge, "table=1,ip")
	change := s.sync(t, want)
	require.Positive(t, change.Added)
	require.Zero(t, change.Removed)
	require.ElementsMatch(t, strings.Split(both, "\n"), strings.Split(s.flows(t), "\n"))

	// A copy with our cookie, and one of a cookie that no flow has.
	s.run(t, "ovs-ofctl", "add-flow", nodelink.ExternalBridge, fmt.Sprintf("cookie=%#x,table=9,priority=8,ip,actions=drop", want[0].Cookie))
	s.run(t, "ovs-ofctl", "add-flow", nodelink.ExternalBridge, fmt.Sprintf("cookie=%#x,table=9,priority=9,ip,actions=drop", mark|1))
	require.Equal(t, Change{Added: 1, Removed: 2}, s.sync(t, want))
	require.ElementsMatch(t, strings.Split(both, "\n"), strings.Split(s.flows(t), "\n"))

	// Its predecessor's flows, as ovs-save(8) gives them to an ovs-vswitchd that was started.
	saved := filepath.Join(s.dir, "saved")
	require.NoError(t, os.WriteFile(saved, []byte(s.run(t, "ovs-ofctl", "-O", "OpenFlow14", "--no-names", "--no-stats", "dump-flows", nodelink.ExternalBridge)), 0o600))
	s.run(t, "ovs-ofctl", "del-flows", nodelink.ExternalBridge)
	s.run(t, "ovs-ofctl", "-O", "OpenFlow14", "replace-flows", nodelink.ExternalBridge, saved)
	require.Equal(t, Change{}, s.sync(t, want))
}
