// Package selector knows which selectors are in use, which pods each selects, and which select a pod. It is pure: it
// is told what changes and returns what follows from that. docs/selectors.md says why it is as it is and what it
// costs.
//
// A Selector is a pair of label selectors, one for namespaces and one for pods. The Index compares neither with pods:
// it compares distinct label selectors (terms) with distinct sets of labels (label sets), each pair once. The matcher
// of one side does that; there is one for namespaces and one for pods. A selector selects a group of pods, those of
// one namespace with equal labels, if its terms fit the group's label sets on both sides.
//
//	selector = term of namespaces + term of pods
//	                |                  |             fits, kept by the matchers
//	group    = labels of namespace + labels of pods
package selector
