package ovsdb

import "time"

// SetProbeInterval changes the interval for clients that are made afterwards.
func SetProbeInterval(d time.Duration) { probeInterval = d }
