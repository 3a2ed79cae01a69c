package control

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/woven-network/woven/test/bench/process"
	"github.com/woven-network/woven/test/bench/scrape"
)

// controller is a running woven-controller.
type controller struct {
	*process.Process
	metricsURL string
	// began is when the process was started.
	began time.Time
	// synced receives the time at which it said that it is in accord with the database.
	synced chan time.Time
}

// accord is what the controller logs when everything is written.
const accord = "in accord with the Northbound database"

// startController starts the program and returns at once.
func (w *world) startController(program string) (*controller, error) {
	log, err := os.OpenFile(w.path("controller.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	address, err := free()
	if err != nil {
		return nil, err
	}
	c := &controller{metricsURL: "http://" + address + "/metrics", began: time.Now(), synced: make(chan time.Time, 1)}
	c.Process, err = process.Start("woven-controller", &listener{w: log, text: accord, heard: c.synced}, []string{program,
		"--config=" + w.path("config.yaml"), "--kubeconfig=" + w.path("kubeconfig"), "--metrics-address=" + address,
		"--profiling-socket=" + w.path("profiling.sock"), "--lease-namespace=default"})
	return c, err
}

// awaitSync waits until the controller has said that everything is written, and returns how long that took from its start.
func (c *controller) awaitSync(ctx context.Context) (time.Duration, error) {
	select {
	case at := <-c.synced:
		return at.Sub(c.began), nil
	case <-c.Exited():
		return 0, fmt.Errorf("woven-controller has ended; see controller.log")
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// listener passes on what is written and notes when a text is first in it.
type listener struct {
	w     io.Writer
	text  string
	heard chan<- time.Time

	mu   sync.Mutex
	rest []byte
	done bool
}

func (l *listener) Write(said []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.done {
		l.rest = append(l.rest, said...)
		if bytes.Contains(l.rest, []byte(l.text)) {
			l.heard <- time.Now()
			l.done, l.rest = true, nil
		} else if end := bytes.LastIndexByte(l.rest, '\n'); end >= 0 {
			l.rest = l.rest[end+1:]
		}
	}
	return l.w.Write(said)
}

// metrics reads /metrics.
func (c *controller) metrics(ctx context.Context) (scrape.Metrics, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.metricsURL, nil)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	return scrape.Parse(string(text)), nil
}

// free returns an address of loopback at which nobody listens now.
func free() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String(), nil
}
