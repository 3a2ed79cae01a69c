package deps

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
)

const kubernetesModule = "k8s.io/kubernetes"

// kubernetesPrograms are built from the module test/k8s, addonPrograms from test/k8s/addons.
var (
	kubernetesPrograms = []string{"cmd/kubectl", "cmd/kubelet", "cmd/kube-apiserver", "cmd/kube-controller-manager", "cmd/kube-scheduler", "test/images/agnhost"}
	addonPrograms      = []string{
		"github.com/coredns/coredns", "github.com/containernetworking/plugins/plugins/main/loopback", "go.etcd.io/etcd/server/v3",
	}
)

// Etcd is etcd's program among the addons. A Kubernetes of today needs more of etcd than Debian's has: without its
// progress notifications no API server streams lists (KEP-3157).
const Etcd = "server"

// Find returns the folders of the programs that Kubernetes and Addons have made, without making them.
func Find(c Cache) (kubernetes, addons string, err error) {
	for name, dir := range map[string]*string{"kubernetes": &kubernetes, "addons": &addons} {
		found, err := filepath.Glob(c.Path(name + ".*"))
		if err != nil {
			return "", "", err
		}
		if len(found) != 1 {
			return "", "", fmt.Errorf("%s has no %s; `make up` builds it", c, name)
		}
		*dir = found[0]
	}
	return kubernetes, addons, nil
}

// Kubernetes builds the release of Kubernetes that test/k8s/go.mod pins and returns the folder of its programs.
func Kubernetes(ctx context.Context, c Cache, repo string) (string, error) {
	module := filepath.Join(repo, "test", "k8s")
	mod, err := os.ReadFile(filepath.Join(module, "go.mod"))
	if err != nil {
		return "", err
	}
	version, err := kubernetesVersion(string(mod))
	if err != nil {
		return "", err
	}
	flags, err := versionFlags(version)
	if err != nil {
		return "", err
	}
	var packages []string
	for _, p := range kubernetesPrograms {
		packages = append(packages, kubernetesModule+"/"+p)
	}
	return build(ctx, c, "kubernetes", module, flags, packages)
}

// Addons builds CoreDNS, the loopback CNI plugin and etcd, and returns the folder of their programs.
func Addons(ctx context.Context, c Cache, repo string) (string, error) {
	return build(ctx, c, "addons", filepath.Join(repo, "test", "k8s", "addons"), "-s -w", addonPrograms)
}

// Woven builds Woven's own programs every time; Go's build cache makes that quick when nothing changed.
func Woven(ctx context.Context, c Cache, repo string) (string, error) {
	dir := c.Path("woven")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	cmd := goBuild(ctx, repo, dir+"/", "-s -w", []string{"./go-controller/cmd/..."})
	return dir, RunLogged(c.Log("woven"), cmd)
}

func build(ctx context.Context, c Cache, name, module, ldflags string, packages []string) (string, error) {
	key, err := KeyOfFiles(filepath.Join(module, "go.mod"), filepath.Join(module, "go.sum"))
	if err != nil {
		return "", err
	}
	key = Key(key, ldflags, strings.Join(packages, " "), runtime.Version())
	return c.Ensure(name, key, func(dir string) error {
		return RunLogged(c.Log(name), goBuild(ctx, module, dir+"/", ldflags, packages))
	})
}

// goBuild builds static programs: they run in images that have no libc. They do not say from which commit they are,
// so that a commit alone makes no new image. out is a file, or a folder with a slash at
// its end.
func goBuild(ctx context.Context, module, out, ldflags string, packages []string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "go", append([]string{"build", "-buildvcs=false", "-o", out, "-ldflags", ldflags}, packages...)...)
	cmd.Dir = module
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off")
	return cmd
}

var requireKubernetes = regexp.MustCompile(`(?m)^\s*k8s\.io/kubernetes (v\S+)`)

func kubernetesVersion(goMod string) (string, error) {
	m := requireKubernetes.FindStringSubmatch(goMod)
	if m == nil {
		return "", fmt.Errorf("test/k8s/go.mod requires no %s", kubernetesModule)
	}
	return m[1], nil
}

// versionFlags has the programs say which release they are; a plain `go build` leaves that out, and both kubelet
// and the API server decide by it.
func versionFlags(version string) (string, error) {
	parts := strings.Split(strings.TrimPrefix(version, "v"), ".")
	if len(parts) != 3 {
		return "", fmt.Errorf("%s: not a release of Kubernetes", version)
	}
	const pkg = "k8s.io/component-base/version"
	return fmt.Sprintf("-s -w -X %s.gitVersion=%s -X %s.gitMajor=%s -X %s.gitMinor=%s", pkg, version, pkg, parts[0], pkg, parts[1]), nil
}

// Pause builds the first process of every pod and returns its folder. It is made once for its source: the image that
// holds it goes into every node, and a program built in another folder would be another image.
func Pause(ctx context.Context, c Cache, repo string) (string, error) {
	const pkg = "test/sandbox/pause"
	key, err := KeyOfFiles(filepath.Join(repo, pkg, "main.go"))
	if err != nil {
		return "", err
	}
	return c.Ensure("pause", Key(key, runtime.Version()), func(dir string) error {
		return RunLogged(c.Log("pause"), goBuild(ctx, repo, dir+"/", "-s -w", []string{"./" + pkg}))
	})
}
