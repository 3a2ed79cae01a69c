// Package kernel is what Linux has of a node's network: addresses, routes, settings, and the events that tell of them. It knows
// neither OVN nor Open vSwitch.
package kernel
