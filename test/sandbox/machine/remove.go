package machine

import (
	"errors"
	"os"
)

// Remove kills a machine and throws its disks away; its logs go with them.
func Remove(name string) error {
	if err := Kill(name); err != nil {
		return err
	}
	return os.RemoveAll(Dir(name))
}

// RemoveAll kills every machine and removes all that the sandbox keeps: folders, sockets, cgroups. It is right at
// any time, in particular after an interrupted start and after an interrupted RemoveAll.
func RemoveAll() error {
	names, err := List()
	if err != nil {
		return err
	}
	var errs []error
	for _, name := range names {
		errs = append(errs, Kill(name))
	}
	if err := errors.Join(errs...); err != nil {
		return err // its folder is still in use
	}
	return errors.Join(
		removeCgroups(CgroupRoot),
		removeMountPoints(),
		os.RemoveAll(RunDir),
		os.RemoveAll(StateDir),
	)
}
