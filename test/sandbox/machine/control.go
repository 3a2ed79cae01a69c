package machine

import (
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net"
	"reflect"
	"time"
)

// Service is a process that init keeps running.
type Service struct {
	Name string   `json:"name"`
	Args []string `json:"args"`
	Env  []string `json:"env"`
	// Log is the file that its output is appended to.
	Log string `json:"log"`
	// Version is any text that changes when the service must be restarted though its arguments are the same,
	// such as a digest of its configuration file.
	Version string `json:"version"`
}

func (s Service) equal(other Service) bool { return reflect.DeepEqual(s, other) }

// Status is a service as it is.
type Status struct {
	Name     string `json:"name"`
	Running  bool   `json:"running"`
	Restarts int    `json:"restarts"`
}

// request is what the control socket takes, one of its fields set; reply is the answer. One of each a connection.
type request struct {
	Start *Service `json:"start,omitempty"`
	Stop  string   `json:"stop,omitempty"`
}

type reply struct {
	Error    string   `json:"error,omitempty"`
	Services []Status `json:"services"`
	// Stopped is the service that ran until it was stopped.
	Stopped *Service `json:"stopped,omitempty"`
}

// StartService makes a service run on the machine; one that runs as specified is left alone, one that runs
// otherwise is restarted.
func (m Machine) StartService(s Service) error {
	if s.Log == "" {
		s.Log = Log(m.Name, s.Name)
	}
	if s.Env == nil {
		s.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root"}
	}
	_, err := m.ask(request{Start: &s})
	if err != nil {
		return fmt.Errorf("%s on %s: %w", s.Name, m.Name, err)
	}
	return nil
}

// StopService ends a service, waits for its end and returns it, so that StartService can start it again.
func (m Machine) StopService(name string) (Service, error) {
	r, err := m.ask(request{Stop: name})
	if err == nil && r.Stopped == nil {
		err = errors.New("it does not run")
	}
	if err != nil {
		return Service{}, fmt.Errorf("%s on %s: %w", name, m.Name, err)
	}
	return *r.Stopped, nil
}

// Services lists the machine's services in the order of their names.
func (m Machine) Services() ([]Status, error) {
	r, err := m.ask(request{})
	return r.Services, err
}

// ping returns when init has set up the machine. The socket is there from the start, so that connecting works
// and the answer comes when init gets to it; or init ends and so does the connection.
func (m Machine) ping() error {
	_, err := m.ask(request{})
	return err
}

func (m Machine) ask(q request) (reply, error) {
	c, err := net.Dial("unix", socket(m.Name))
	if err != nil {
		return reply{}, err
	}
	defer func() { _ = c.Close() }()
	if err := c.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return reply{}, err
	}
	if err := json.NewEncoder(c).Encode(q); err != nil {
		return reply{}, err
	}
	var r reply
	if err := json.NewDecoder(c).Decode(&r); err != nil {
		return reply{}, err
	}
	if r.Error != "" {
		return r, errors.New(r.Error)
	}
	return r, nil
}

func (s *supervisor) serve(l net.Listener) error {
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		go s.answer(c)
	}
}

func (s *supervisor) answer(c net.Conn) {
	defer func() { _ = c.Close() }()
	var q request
	if err := json.NewDecoder(c).Decode(&q); err != nil {
		log.Printf("control: %v", err)
		return
	}
	var r reply
	switch {
	case q.Start != nil:
		if err := s.start(*q.Start); err != nil {
			r.Error = err.Error()
		}
	case q.Stop != "":
		r.Stopped = s.stop(q.Stop)
	}
	r.Services = s.list()
	if err := json.NewEncoder(c).Encode(r); err != nil {
		log.Printf("control: %v", err)
	}
}
