package kernel

import (
	"context"
	"fmt"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// Watch calls wake when the kernel's interfaces, addresses, routes or rules change, and doubt when one of many similar
// interfaces has gone (isOne, by its name): those alone wake nothing, however often they come and go. It returns when ctx ends, or with an error when the kernel drops
// events: then whoever calls must look at everything again.
func Watch(ctx context.Context, isOne func(name string) bool, wake func(), doubt func(name string)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	lost := make(chan error, 1)
	failed := func(err error) {
		select {
		case lost <- err:
		default:
		}
	}
	links := make(chan netlink.LinkUpdate, 64)
	addrs := make(chan netlink.AddrUpdate, 64)
	routes := make(chan netlink.RouteUpdate, 64)
	if err := netlink.LinkSubscribeWithOptions(links, ctx.Done(), netlink.LinkSubscribeOptions{ErrorCallback: failed}); err != nil {
		return fmt.Errorf("watch interfaces: %w", err)
	}
	if err := netlink.AddrSubscribeWithOptions(addrs, ctx.Done(), netlink.AddrSubscribeOptions{ErrorCallback: failed}); err != nil {
		return fmt.Errorf("watch addresses: %w", err)
	}
	if err := netlink.RouteSubscribeWithOptions(routes, ctx.Done(), netlink.RouteSubscribeOptions{ErrorCallback: failed}); err != nil {
		return fmt.Errorf("watch routes: %w", err)
	}
	if err := watchRules(ctx, wake, failed); err != nil {
		return err
	}
	wake()
	// All three channels are drained until they close, or their senders would hang for ever.
	defer func() {
		cancel()
		go drain(links)
		go drain(addrs)
		go drain(routes)
	}()
	for {
		select {
		case u, ok := <-links:
			if !ok {
				return nil
			}
			if u.Link != nil && isOne(u.Link.Attrs().Name) {
				if u.Header.Type == unix.RTM_DELLINK {
					doubt(u.Link.Attrs().Name) // Its row may have to go too.
				}
				continue
			}
		case _, ok := <-addrs:
			if !ok {
				return nil
			}
		case u, ok := <-routes:
			if !ok {
				return nil
			}
			if u.Protocol == unix.RTPROT_KERNEL {
				// No turn looks at them (ReadState), and each pod's interface brings one (ff00::/8).
				continue
			}
		case err := <-lost:
			return fmt.Errorf("kernel events: %w", err)
		case <-ctx.Done():
			return nil
		}
		wake()
	}
}

// watchRules does it for routing rules: others remove them, such as systemd-networkd when it starts.
func watchRules(ctx context.Context, wake func(), failed func(error)) error {
	rules, err := nl.Subscribe(unix.NETLINK_ROUTE, unix.RTNLGRP_IPV4_RULE, unix.RTNLGRP_IPV6_RULE)
	if err != nil {
		return fmt.Errorf("watch rules: %w", err)
	}
	context.AfterFunc(ctx, rules.Close)
	go func() {
		for {
			if _, _, err := rules.Receive(); err != nil {
				if ctx.Err() == nil {
					failed(err)
				}
				return
			}
			wake()
		}
	}()
	return nil
}

func drain[T any](c <-chan T) {
	for range c {
	}
}
