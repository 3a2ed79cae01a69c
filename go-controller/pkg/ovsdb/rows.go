package ovsdb

import (
	"github.com/ovn-kubernetes/libovsdb/cache"
	"github.com/ovn-kubernetes/libovsdb/model"
)

// OnRow calls changed for every event with the row as it is or, when it is gone, as it was.
func OnRow(changed func(m model.Model, gone bool)) cache.EventHandler {
	return &cache.EventHandlerFuncs{
		AddFunc:    func(_ string, m model.Model) { changed(m, false) },
		UpdateFunc: func(_ string, _, m model.Model) { changed(m, false) },
		DeleteFunc: func(_ string, m model.Model) { changed(m, true) },
	}
}
