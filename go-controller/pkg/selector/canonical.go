package selector

import (
	"maps"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
)

// labelSelector is a metav1.LabelSelector in canonical form: two that fit the same labels are equal, however they are
// written. matchLabels and In with one value are the same, order and repetition do not count, and what several
// requirements say about one label is put together.
type labelSelector struct {
	// requirements are sorted by key. All must hold.
	requirements []labels.Requirement
	// nothing says that no labels fit, because the requirements contradict each other.
	nothing bool
	// text is the canonical form. It cannot be ambiguous, for keys and values have no comma, bracket, star or blank.
	text string
}

func newLabelSelector(s *metav1.LabelSelector) (labelSelector, error) {
	parsed, err := metav1.LabelSelectorAsSelector(s)
	if err != nil {
		return labelSelector{}, err
	}
	all, _ := parsed.Requirements()
	// demands maps the key of a label to all that is demanded of it.
	demands := map[string]*demand{}
	for _, r := range all {
		d := demands[r.Key()]
		if d == nil {
			d = &demand{}
			demands[r.Key()] = d
		}
		d.add(r)
	}
	c := labelSelector{text: "*"}
	var texts []string
	for _, key := range slices.Sorted(maps.Keys(demands)) {
		requirements, possible, err := demands[key].requirements(key)
		if err != nil || !possible {
			return labelSelector{nothing: true, text: "none"}, err
		}
		for _, r := range requirements {
			texts = append(texts, r.String())
		}
		c.requirements = append(c.requirements, requirements...)
	}
	if len(texts) > 0 {
		c.text = strings.Join(texts, ",")
	}
	return c, nil
}

func (s labelSelector) everything() bool { return !s.nothing && len(s.requirements) == 0 }

// fits tells whether labels fit. Of a namespace that is not known yet (open) only some labels are known; it fits if
// it does whatever the others are.
func (s labelSelector) fits(l *labelSet) bool {
	for i := range s.requirements {
		r := &s.requirements[i]
		if l.open && !l.labels.Has(r.Key()) || !r.Matches(l.labels) {
			return false
		}
	}
	return !s.nothing
}

// demand is what a selector demands of one label.
type demand struct {
	present, absent bool
	// in has the values of which the label must have one, if limited is set.
	in      []string
	limited bool
	// out has the values that the label must not have. A label that is absent has none.
	out []string
}

func (d *demand) add(r labels.Requirement) {
	values := r.ValuesUnsorted()
	switch r.Operator() {
	case selection.In, selection.Equals, selection.DoubleEquals:
		if d.limited {
			values = slices.DeleteFunc(values, func(v string) bool { return !slices.Contains(d.in, v) })
		}
		d.present, d.limited, d.in = true, true, values
	case selection.NotIn, selection.NotEquals:
		d.out = append(d.out, values...)
	case selection.Exists:
		d.present = true
	case selection.DoesNotExist:
		d.absent = true
	}
}

// requirements returns the shortest requirements that say the same, and whether any label satisfies them.
func (d *demand) requirements(key string) (all []labels.Requirement, possible bool, err error) {
	in := slices.DeleteFunc(slices.Clone(d.in), func(v string) bool { return slices.Contains(d.out, v) })
	if d.present && d.absent || d.limited && len(in) == 0 {
		return nil, false, nil
	}
	add := func(operator selection.Operator, values []string) {
		slices.Sort(values)
		r, wrong := labels.NewRequirement(key, operator, slices.Compact(values))
		if wrong != nil {
			err = wrong
			return
		}
		all = append(all, *r)
	}
	switch {
	case d.absent:
		add(selection.DoesNotExist, nil)
	case d.limited:
		add(selection.In, in)
	default:
		if d.present {
			add(selection.Exists, nil)
		}
		if len(d.out) > 0 {
			add(selection.NotIn, d.out)
		}
	}
	return all, true, err
}
