package attach

import (
	"github.com/ovn-kubernetes/libovsdb/model"

	"github.com/woven-network/woven/go-controller/pkg/agent/southbound"
	"github.com/woven-network/woven/go-controller/pkg/ovn/sb"
	"github.com/woven-network/woven/go-controller/pkg/ovn/vswitch"
	"github.com/woven-network/woven/go-controller/pkg/ovsdb"
)

// HearLocal lets commands that wait for an Interface row hear of it.
func (s *Server) HearLocal() {
	s.local.Cache().AddEventHandler(ovsdb.OnRow(func(m model.Model, _ bool) {
		if r, ok := m.(*vswitch.Interface); ok {
			s.news.tell(interfaceTopic(r.Name))
		}
	}))
}

// HearSouthbound does the same for Port_Bindings.
func (s *Server) HearSouthbound(south *southbound.Database) {
	south.Cache().AddEventHandler(ovsdb.OnRow(func(m model.Model, _ bool) {
		if r, ok := m.(*sb.PortBinding); ok {
			s.news.tell(bindingTopic(r.LogicalPort))
		}
	}))
}
