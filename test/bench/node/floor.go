package node

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

// floorOfVeths makes count pairs of interfaces as a pod has one, so many at once, by iproute2 in network namespaces made
// for it, and returns how long each took in milliseconds. The pods' namespaces are made before, as containerd does.
func floorOfVeths(ctx context.Context, count, atOnce int) ([]float64, error) {
	const host = "woven-bench-host"
	if err := ip(ctx, "", "netns", "add", host); err != nil {
		return nil, err
	}
	defer func() { _ = ip(context.WithoutCancel(ctx), "", "netns", "del", host) }()
	took := make([]float64, count)
	for first := 0; first < count; first += atOnce {
		group, ctx := errgroup.WithContext(ctx)
		for n := first; n < first+atOnce; n++ {
			pod := fmt.Sprint("woven-bench-", n)
			if err := ip(ctx, "", "netns", "add", pod); err != nil {
				return nil, err
			}
			defer func() { _ = ip(context.WithoutCancel(ctx), "", "netns", "del", pod) }()
		}
		for n := first; n < first+atOnce; n++ {
			group.Go(func() error {
				begin := time.Now()
				err := veth(ctx, host, fmt.Sprint("woven-bench-", n), n)
				took[n] = float64(time.Since(begin)) / float64(time.Millisecond)
				return err
			})
		}
		if err := group.Wait(); err != nil {
			return nil, err
		}
	}
	return took, nil
}

// veth makes one pair and gives the pod's end its addresses and routes.
func veth(ctx context.Context, host, pod string, n int) error {
	mac := fmt.Sprintf("0a:58:0a:f4:01:%02x", n+3)
	if err := ip(ctx, "", "-n", host, "link", "add", fmt.Sprint("v", n), "mtu", "1400", "up", "type", "veth", "peer", "name", "eth0", "mtu", "1400", "address", mac, "netns", pod); err != nil {
		return err
	}
	return ip(ctx, fmt.Sprintf("link set eth0 up\naddress add 10.244.1.%d/24 dev eth0\naddress add fd00:10:244:1::%x/64 dev eth0 nodad\n"+
		"route add default via 10.244.1.1\nroute add default via fd00:10:244:1::1\n", n+3, n+3), "-n", pod, "-batch", "-")
}

func ip(ctx context.Context, input string, arguments ...string) error {
	cmd := exec.CommandContext(ctx, "ip", arguments...)
	cmd.Stdin = strings.NewReader(input)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("ip %s: %w: %s", strings.Join(arguments, " "), err, out)
	}
	return nil
}
