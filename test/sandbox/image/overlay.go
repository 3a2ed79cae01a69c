package image

import "golang.org/x/sys/unix"

// onOverlay tells whether a path is on an overlay file system, as in a container.
func onOverlay(path string) bool {
	var st unix.Statfs_t
	return unix.Statfs(path, &st) == nil && st.Type == unix.OVERLAYFS_SUPER_MAGIC
}
