package control

import (
	"bufio"
	"encoding/json"
	"os"
	"slices"
)

// apiWrites returns how many writes of the controller the API server has noted in its audit log: those that are
// for pods or whatever else, and the renewals of its leader's Lease.
func (w *world) apiWrites() (objects, leases int, err error) {
	f, err := os.Open(w.api.AuditLog())
	if err != nil {
		return 0, 0, err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var event struct {
			Verb      string
			User      struct{ Username string }
			ObjectRef struct{ Resource string }
		}
		if err := json.Unmarshal(lines.Bytes(), &event); err != nil {
			return 0, 0, err
		}
		switch {
		case event.User.Username != controllerUser || slices.Contains([]string{"get", "list", "watch"}, event.Verb):
		case event.ObjectRef.Resource == "leases":
			leases++
		default:
			objects++
		}
	}
	return objects, leases, lines.Err()
}
