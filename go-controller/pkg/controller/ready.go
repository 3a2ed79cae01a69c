package controller

import "errors"

// What /readyz answers before all is well.
var (
	errNotYet       = errors.New("not ready: the objects of the cluster are not read yet; is kube-apiserver reachable?")
	errNoSouthbound = errors.New("not ready: the Southbound database is not reached yet; the log says why")
	errNoNorthbound = errors.New("not ready: the Northbound database is not reached yet; the log says why")
	errNotWritten   = errors.New("not ready: the Northbound database is not in accord yet")
)
