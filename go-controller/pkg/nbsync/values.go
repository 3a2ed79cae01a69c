package nbsync

import (
	"encoding/binary"
	"hash/maphash"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// equal compares two values of one column as OVSDB does: a set has no order and no element twice, and empty is the
// same as absent.
func equal(a, b any) bool {
	switch a := a.(type) {
	case []string:
		return equalSets(a, b.([]string))
	case map[string]string:
		return maps.Equal(a, b.(map[string]string))
	}
	x, y := reflect.ValueOf(a), reflect.ValueOf(b)
	switch x.Kind() {
	case reflect.Map, reflect.Slice:
		return x.Len() == 0 && y.Len() == 0 || reflect.DeepEqual(a, b)
	default:
		return reflect.DeepEqual(a, b)
	}
}

func equalSets(a, b []string) bool {
	if slices.Equal(a, b) {
		return true
	}
	return slices.Equal(sortedSet(a), sortedSet(b))
}

func sortedSet(s []string) []string {
	c := slices.Clone(s)
	slices.Sort(c)
	return slices.Compact(c)
}

// empty says whether a value is what a column holds that nobody has set.
func empty(v any) bool {
	x := reflect.ValueOf(v)
	switch x.Kind() {
	case reflect.Map, reflect.Slice:
		return x.Len() == 0
	default:
		return x.IsZero()
	}
}

var seed = maphash.MakeSeed()

// fingerprint is a hash of the columns declared whole. value returns a column.
func (t *table) fingerprint(value func(column string) any) uint64 {
	var h maphash.Hash
	h.SetSeed(seed)
	for _, name := range t.Whole {
		hash(&h, reflect.ValueOf(value(name)))
	}
	return h.Sum64()
}

func hash(h *maphash.Hash, v reflect.Value) {
	number := func(n uint64) {
		var b [8]byte
		binary.LittleEndian.PutUint64(b[:], n)
		_, _ = h.Write(b[:])
	}
	switch v.Kind() {
	case reflect.String:
		number(uint64(v.Len()))
		_, _ = h.WriteString(v.String())
	case reflect.Slice:
		set := sortedSet(v.Interface().([]string))
		number(uint64(len(set)))
		for _, s := range set {
			hash(h, reflect.ValueOf(s))
		}
	case reflect.Map:
		number(uint64(v.Len()))
		for _, k := range slices.SortedFunc(slices.Values(v.MapKeys()), func(a, b reflect.Value) int {
			return strings.Compare(a.String(), b.String())
		}) {
			hash(h, k)
			hash(h, v.MapIndex(k))
		}
	case reflect.Pointer:
		number(uint64(boolNumber(!v.IsNil())))
		if !v.IsNil() {
			hash(h, v.Elem())
		}
	case reflect.Bool:
		number(uint64(boolNumber(v.Bool())))
	case reflect.Int:
		number(uint64(v.Int()))
	default:
		panic("nbsync: no column has values of kind " + v.Kind().String())
	}
}

func boolNumber(b bool) int {
	if b {
		return 1
	}
	return 0
}

// resolve replaces the references in a value of a column by what lookup returns for them.
func resolve(v any, lookup func(string) string) any {
	switch v := v.(type) {
	case string:
		return lookup(v)
	case *string:
		if v == nil {
			return v
		}
		s := lookup(*v)
		return &s
	case []string:
		out := make([]string, len(v))
		for i, s := range v {
			out[i] = lookup(s)
		}
		return out
	default:
		return v
	}
}
