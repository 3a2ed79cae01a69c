package endpoint

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"

	"github.com/spf13/cobra"
)

// Ask copies to w what a program answers on a unix socket to GET path. An answer other than 200 is an error with its
// text.
func Ask(ctx context.Context, socket, path string, w io.Writer) error {
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://woven"+path, nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(response.Body, 4096)) // What came before an error says enough.
		return fmt.Errorf("%s: %s", path, strings.TrimSpace(string(text)))
	}
	_, err = io.Copy(w, response.Body)
	return err
}

// Commands are the commands of a program that asks itself: "probe" for the kubelet, "profile" for a person.
func Commands() []*cobra.Command { return []*cobra.Command{probe(), profile()} }

func probe() *cobra.Command {
	var socket string
	c := &cobra.Command{
		Use: "probe {healthz|readyz}", Short: "Ask the running program of this container how it is, as the kubelet's probes do",
		Args: cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs), ValidArgs: []string{"healthz", "readyz"}, SilenceUsage: true,
		RunE: func(c *cobra.Command, args []string) error {
			return Ask(c.Context(), socket, "/"+args[0], c.OutOrStdout())
		},
	}
	c.Flags().StringVar(&socket, "socket", DefaultProbes, "what the running program has as --probe-socket")
	return c
}

func profile() *cobra.Command {
	var socket string
	c := &cobra.Command{
		Use: "profile NAME", Short: "Write a profile of the running program of this container: heap, goroutine, profile?seconds=10, ...",
		Long: `profile writes what the running program answers under /debug/pprof/NAME, for go tool pprof.
The program must run with --profiling-socket.`,
		Args: cobra.ExactArgs(1), SilenceUsage: true,
		RunE: func(c *cobra.Command, args []string) error {
			if err := Ask(c.Context(), socket, "/debug/pprof/"+args[0], c.OutOrStdout()); err != nil {
				return fmt.Errorf("%w; does the program run with --profiling-socket=%s?", err, socket)
			}
			return nil
		},
	}
	c.Flags().StringVar(&socket, "socket", DefaultProfiles, "what the running program has as --profiling-socket")
	return c
}
