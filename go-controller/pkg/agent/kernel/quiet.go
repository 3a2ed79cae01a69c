package kernel

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"unsafe"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// quietName marks our classifier among those of others.
const quietName = "woven-quiet"

// Quiet makes the kernel's own network stack deaf on an interface whose packets the userspace datapath reads. Open
// vSwitch reads copies (packet(7)); the originals go up the kernel's stack, which would answer them as well: ARP for
// any address of the node, and TCP resets for what only OVN knows. A classifier of two instructions on the ingress
// hook drops every packet; the copies are taken before that hook (net/core/dev.c, __netif_receive_skb_core), so
// OVS, DHCP clients and tcpdump still see everything. It is no packet filter of netfilter's: no rule, table or
// chain appears.
//
// Not by settings: arp_ignore and disable_ipv6 silence neighbours but not TCP, and the NIC has br-ex's MAC, so
// that its packets count as the host's own.
func Quiet(link netlink.Link) error {
	there, err := IsQuiet(link)
	if err != nil || there {
		return err
	}
	if err := Hook(link); err != nil {
		return err
	}
	return Silence(link)
}

// Hook makes the place for the classifier.
func Hook(link netlink.Link) error {
	if err := netlink.QdiscAdd(clsact(link)); err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("clsact on %s: %w; the kernel needs CONFIG_NET_SCH_INGRESS", link.Attrs().Name, err)
	}
	return nil
}

// Silence is quiet for an interface that has the hook and not the classifier. If there was no RCU grace period since the hook was
// made, the kernel waits for one, and all who change network devices wait for that (mini_qdisc_pair_swap, net/sched/sch_generic.c).
func Silence(link netlink.Link) error {
	program, err := drop()
	if err != nil {
		return err
	}
	filter := &netlink.BpfFilter{
		FilterAttrs: netlink.FilterAttrs{LinkIndex: link.Attrs().Index, Parent: netlink.HANDLE_MIN_INGRESS, Handle: 1, Protocol: unix.ETH_P_ALL, Priority: 1},
		Fd:          int(program.Fd()), Name: quietName, DirectAction: true,
	}
	if err := netlink.FilterReplace(filter); err != nil {
		return fmt.Errorf("classifier on %s: %w; the kernel needs CONFIG_NET_CLS_BPF", link.Attrs().Name, err)
	}
	return nil
}

// Unquiet lets the kernel hear an interface again. The qdisc goes too, unless somebody else has a classifier there.
func Unquiet(link netlink.Link) error {
	there, err := IsQuiet(link)
	if err != nil || !there {
		return err
	}
	filter := &netlink.BpfFilter{FilterAttrs: netlink.FilterAttrs{
		LinkIndex: link.Attrs().Index, Parent: netlink.HANDLE_MIN_INGRESS, Handle: 1, Protocol: unix.ETH_P_ALL, Priority: 1,
	}, Fd: -1}
	if err := netlink.FilterDel(filter); err != nil {
		return fmt.Errorf("remove the classifier of %s: %w", link.Attrs().Name, err)
	}
	for _, hook := range []uint32{netlink.HANDLE_MIN_INGRESS, netlink.HANDLE_MIN_EGRESS} {
		others, err := netlink.FilterList(link, hook)
		if err != nil {
			return fmt.Errorf("classifiers of %s: %w", link.Attrs().Name, err)
		}
		if len(others) > 0 {
			return nil
		}
	}
	if err := netlink.QdiscDel(clsact(link)); err != nil {
		return fmt.Errorf("remove clsact of %s: %w", link.Attrs().Name, err)
	}
	return nil
}

func clsact(link netlink.Link) netlink.Qdisc {
	return &netlink.Clsact{QdiscAttrs: netlink.QdiscAttrs{
		LinkIndex: link.Attrs().Index, Handle: netlink.MakeHandle(0xffff, 0), Parent: netlink.HANDLE_CLSACT,
	}}
}

// IsQuiet tells whether Quiet was called for an interface.
func IsQuiet(link netlink.Link) (bool, error) {
	qdiscs, err := netlink.QdiscList(link)
	if err != nil {
		return false, fmt.Errorf("queueing disciplines of %s: %w", link.Attrs().Name, err)
	}
	for _, q := range qdiscs {
		if q.Type() != "clsact" {
			continue
		}
		filters, err := netlink.FilterList(link, netlink.HANDLE_MIN_INGRESS)
		if err != nil {
			return false, fmt.Errorf("classifiers of %s: %w", link.Attrs().Name, err)
		}
		for _, f := range filters {
			if b, ok := f.(*netlink.BpfFilter); ok && b.Name == quietName {
				return true, nil
			}
		}
	}
	return false, nil
}

// dropping is the program of all classifiers, once it is loaded.
var dropping struct {
	sync.Mutex
	program *os.File
}

// drop returns the program, and loads it when it is first asked for.
func drop() (*os.File, error) {
	dropping.Lock()
	defer dropping.Unlock()
	if dropping.program == nil {
		var err error
		if dropping.program, err = loadDrop(); err != nil {
			return nil, err
		}
	}
	return dropping.program, nil
}

// loadDrop loads the program "r0 = TC_ACT_SHOT; exit" (bpf(2), BPF_PROG_LOAD).
func loadDrop() (*os.File, error) {
	const (
		progLoad = 5
		schedCLS = 3
		actShot  = 2
		moveToR0 = 0xb7
		exit     = 0x95
	)
	program := [2]uint64{moveToR0 | actShot<<32, exit}
	license := [...]byte{'A', 'p', 'a', 'c', 'h', 'e', '-', '2', '.', '0', 0}
	attr := struct {
		kind, count           uint32
		instructions, license unsafe.Pointer
	}{schedCLS, uint32(len(program)), unsafe.Pointer(&program), unsafe.Pointer(&license)}
	fd, _, errno := unix.Syscall(unix.SYS_BPF, progLoad, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr))
	if errno != 0 {
		return nil, fmt.Errorf("load the classifier: %w; the agent needs CAP_BPF and CAP_NET_ADMIN", errno)
	}
	return os.NewFile(fd, quietName), nil
}
