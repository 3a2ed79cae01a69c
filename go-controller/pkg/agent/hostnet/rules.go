package hostnet

import (
	"errors"
	"fmt"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/woven-network/woven/go-controller/pkg/agent/kernel"
	"github.com/woven-network/woven/go-controller/pkg/config"
)

// netlink returns the rule, such as `pref 50 iif lo to <address> ipproto <protocol> dport <first>-<last> lookup 8787`.
func (r hostRule) netlink() *netlink.Rule {
	n := netlink.NewRule()
	n.Family, n.Priority, n.Table, n.Protocol = r.family, r.priority, r.table, kernel.Protocol
	n.IifName, n.Invert, n.IPProto = r.incoming, r.not, r.protocol
	if r.to.IsValid() {
		n.Dst = kernel.IPNet(r.to)
	}
	if r.ports != (config.PortRange{}) {
		n.Dport = netlink.NewRulePortRange(r.ports.First, r.ports.Last)
	}
	if r.from != (config.PortRange{}) {
		n.Sport = netlink.NewRulePortRange(r.from.First, r.from.Last)
	}
	return n
}

// ruleOf returns one of our rules as the kernel shows it.
func ruleOf(k netlink.Rule, family int) hostRule {
	r := hostRule{
		family: family, priority: k.Priority, table: k.Table, incoming: k.IifName, not: k.Invert, protocol: k.IPProto,
	}
	r.to, _ = kernel.PrefixOf(k.Dst)
	if k.Dport != nil {
		r.ports = config.PortRange{First: k.Dport.Start, Last: k.Dport.End}
	}
	if k.Sport != nil {
		r.from = config.PortRange{First: k.Sport.Start, Last: k.Sport.End}
	}
	return r
}

// setRules makes the rules, and moves the local table behind them: at priority 0, where the kernel
// has it, it would take every packet to the node's own addresses before any rule sees it.
func setRules(want []hostRule) error {
	for _, f := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		have, err := netlink.RuleList(f)
		if err != nil {
			return fmt.Errorf("rules: %w", err)
		}
		ofFamily := slices.DeleteFunc(slices.Clone(want), func(r hostRule) bool { return r.family != f })
		if len(ofFamily) == 0 {
			if err := restoreRules(f, have); err != nil {
				return err
			}
			continue
		}
		var ours []hostRule
		for _, h := range have {
			if h.Protocol == kernel.Protocol {
				ours = append(ours, ruleOf(h, f))
			}
		}
		for _, r := range ofFamily {
			if slices.Contains(ours, r) {
				continue
			}
			if err := netlink.RuleAdd(r.netlink()); err != nil && !errors.Is(err, unix.EEXIST) {
				return fmt.Errorf("add rule %s: %w", r.netlink(), err)
			}
		}
		// The local table is never absent: first it is in both places.
		if err := moveLocal(f, have, 0, localRule); err != nil {
			return err
		}
		for _, h := range have {
			// Agents before this one marked the local table's rule as theirs.
			stale := h.Protocol == kernel.Protocol && h.Table != unix.RT_TABLE_LOCAL
			if stale && !slices.Contains(ofFamily, ruleOf(h, f)) {
				h.Family = f
				if err := netlink.RuleDel(&h); err != nil {
					return fmt.Errorf("remove rule %s: %w", h, err)
				}
			}
		}
	}
	return nil
}

// restoreRules removes our rules and puts the local table back where the kernel has it.
func restoreRules(f int, have []netlink.Rule) error {
	if !slices.ContainsFunc(have, localAt(localRule)) {
		return nil
	}
	if err := moveLocal(f, have, localRule, 0); err != nil {
		return err
	}
	for _, h := range have {
		if h.Protocol == kernel.Protocol {
			h.Family = f
			// moveLocal may have removed it: agents before this one marked the local table's rule as theirs.
			if err := netlink.RuleDel(&h); err != nil && !errors.Is(err, unix.ENOENT) {
				return fmt.Errorf("remove rule %s: %w", h, err)
			}
		}
	}
	return nil
}

func localAt(priority int) func(netlink.Rule) bool {
	return func(r netlink.Rule) bool { return r.Priority == priority && r.Table == unix.RT_TABLE_LOCAL }
}

// moveLocal moves the rule for the local table. It is the kernel's rule (by its protocol) in both places: without it
// the node hears nothing any more, and systemd-networkd, which removes the rules of others when it starts, leaves the
// kernel's alone.
func moveLocal(f int, have []netlink.Rule, from, to int) error {
	if !slices.ContainsFunc(have, localAt(to)) {
		local := netlink.NewRule()
		local.Family, local.Table, local.Priority, local.Protocol = f, unix.RT_TABLE_LOCAL, to, unix.RTPROT_KERNEL
		if err := netlink.RuleAdd(local); err != nil && !errors.Is(err, unix.EEXIST) {
			return fmt.Errorf("rule for the local table at %d: %w", to, err)
		}
	}
	if i := slices.IndexFunc(have, localAt(from)); i >= 0 {
		old := have[i]
		old.Family = f
		if err := netlink.RuleDel(&old); err != nil {
			return fmt.Errorf("remove the rule for the local table at %d: %w", from, err)
		}
	}
	return nil
}

// familyOf returns the address family as netlink writes it.
func familyOf(is4 bool) int {
	if is4 {
		return netlink.FAMILY_V4
	}
	return netlink.FAMILY_V6
}

// Remove takes back routes and rules. ovn0 and its settings go with its bridge.
func Remove() error {
	if err := setRules(nil); err != nil {
		return err
	}
	for _, f := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		routes, err := kernel.DumpRoutes(f)
		if err != nil {
			return err
		}
		for _, r := range routes {
			if r.Protocol != kernel.Protocol {
				continue
			}
			if err := netlink.RouteDel(&r); err != nil && !errors.Is(err, unix.ESRCH) {
				return fmt.Errorf("remove route %s: %w", r.Dst, err)
			}
		}
	}
	return nil
}
