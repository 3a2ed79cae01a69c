package selector

import (
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ID names a selector. It is a hash of what the selector means, so the same selector has the same ID in every process,
// and two spellings of one selector share it. It starts with a letter and has only lower-case letters and digits:
// names of address sets and port groups, which OVN reads in matches as $name and @name, can contain it.
type ID string

// idLength is the length of an ID without its first letter, at 5 bits a character. 100 bits are far too many for
// finding a second selector with the ID of a given one. Somebody who makes both can find two with the same ID;
// Declare refuses the second.
const idLength = 20

// Selector selects the pods whose labels fit one label selector in namespaces whose labels fit another. It never
// changes.
type Selector struct {
	id   ID
	text string
	// sides has the label selector for namespaces and that for pods, at the places ofNamespaces and ofPods.
	sides [2]labelSelector
}

// The two sides of a selector, of an entry and of a group.
const (
	ofNamespaces = iota
	ofPods
)

// New returns the selector that an object in a namespace means by a namespaceSelector and a podSelector; namespace is
// empty for an object of the cluster. A nil namespaceSelector means the object's own namespace. A nil podSelector means
// all pods, as an empty one does. The error names the side that is wrong.
//
// It serves the peers of a NetworkPolicy (NetworkPolicyPeer: one or both are given), its subject (podSelector alone)
// and the subjects and peers of a ClusterNetworkPolicy (namespaces: the first alone; pods: both).
func New(namespace string, namespaceSelector, podSelector *metav1.LabelSelector) (*Selector, error) {
	if namespaceSelector == nil && podSelector == nil {
		return nil, errors.New("neither namespaceSelector nor podSelector is given")
	}
	if namespaceSelector == nil {
		if namespace == "" {
			return nil, errors.New("namespaceSelector is missing, and the object has no namespace of its own")
		}
		// The API server gives each namespace this label and refuses another value.
		namespaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: namespace}}
	}
	if podSelector == nil {
		podSelector = &metav1.LabelSelector{}
	}
	s := &Selector{}
	var err error
	if s.sides[ofNamespaces], err = newLabelSelector(namespaceSelector); err != nil {
		return nil, fmt.Errorf("read namespaceSelector: %w", err)
	}
	if s.sides[ofPods], err = newLabelSelector(podSelector); err != nil {
		return nil, fmt.Errorf("read podSelector: %w", err)
	}
	if s.sides[ofNamespaces].nothing || s.sides[ofPods].nothing {
		s.sides = [2]labelSelector{{nothing: true, text: "none"}, {nothing: true, text: "none"}}
	}
	// A change of this text changes the ID of every selector, and so the name of every row made of one.
	s.text = "namespaces: " + s.sides[ofNamespaces].text + "; pods: " + s.sides[ofPods].text
	sum := sha256.Sum256([]byte(s.text))
	s.id = ID("s" + strings.ToLower(base32.StdEncoding.EncodeToString(sum[:]))[:idLength])
	return s, nil
}

// ID returns the selector's name.
func (s *Selector) ID() ID { return s.id }

// String returns the selector in its canonical form, for administrators: "namespaces: team in (a); pods: app in
// (web),!old". A star stands for all.
func (s *Selector) String() string { return s.text }

// Everything tells whether the selector selects every pod of the cluster. Such a set need not be kept pod by pod.
func (s *Selector) Everything() bool {
	return s.sides[ofNamespaces].everything() && s.sides[ofPods].everything()
}
