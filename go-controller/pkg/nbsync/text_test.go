package nbsync

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/woven-network/woven/go-controller/pkg/ovn/nb"
)

func TestAPlanReadsLikeOvnNbctl(t *testing.T) {
	w := newWorld(t)
	small(w)
	w.start()
	w.want(owner("service/default/web"), loadBalancer("default/web/udp", "woven-cluster", map[string]string{"10.96.0.10:80": "10.244.1.5:8080,10.244.1.6:8080"}))
	w.want(owner("pod/default/web-0"), pod("default/web-0", "worker-1", "10.244.1.9",
		in("Port_Group", "pg-web", "ports"), value("Address_Set", "as-web", "addresses", "10.244.1.9")))
	sw := logicalSwitch("worker-1")
	sw.Model.(*nb.LogicalSwitch).OtherConfig = nil
	w.want(owner("node/worker-1"), sw)
	plan, err := w.engine.Plan(t.Context())
	require.NoError(t, err)
	require.Equal(t, `create Load_Balancer default/web/udp name=default/web/udp external_ids={woven.network/owner=service/default/web} protocol=tcp vips={"10.96.0.10:80"="10.244.1.5:8080,10.244.1.6:8080"}
clear Logical_Switch worker-1 other_config load_balancer_group
set Logical_Switch_Port default/web-0 addresses=["0a:58:00:00:00:01 10.244.1.9"] port_security=["0a:58:00:00:00:01 10.244.1.9"]
add Address_Set as-web addresses "10.244.1.9"
remove Address_Set as-web addresses "10.244.1.5"
add Load_Balancer_Group woven-cluster load_balancer default/web/udp
remove Logical_Router cluster nat cluster/nat/worker-1
remove Logical_Router cluster ports cluster-worker-1
destroy Load_Balancer default/web/tcp
destroy Static_MAC_Binding cluster-worker-1/169.254.64.2
`, plan.String())
}
