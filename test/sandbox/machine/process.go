package machine

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// startTime reads a process's start time in clock ticks since boot. The command name in /proc/<pid>/stat may
// itself hold blanks and parentheses, so fields are counted from the last parenthesis.
func startTime(pid int) (start uint64, zombie bool, err error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, false, err
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 20 {
		return 0, false, fmt.Errorf("/proc/%d/stat: too short", pid)
	}
	start, err = strconv.ParseUint(fields[19], 10, 64)
	return start, fields[0] == "Z", err
}

func bootID() string {
	id, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(id))
}

func (p process) alive() bool {
	start, zombie, err := startTime(p.PID)
	return err == nil && !zombie && start == p.Start && p.Boot == bootID()
}

// record writes a machine's pid file.
func record(name string, pid int) error {
	start, _, err := startTime(pid)
	if err != nil {
		return err
	}
	text, err := json.Marshal(process{PID: pid, Start: start, Boot: bootID()})
	if err != nil {
		return err
	}
	return os.WriteFile(pidFile(name), text, 0o600)
}
