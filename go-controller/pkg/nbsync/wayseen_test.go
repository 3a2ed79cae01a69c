package nbsync

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// seenRows is the database by names.
type seenRows struct {
	// ports maps a pod's name to the groups that hold its port.
	ports map[string]map[string]bool
	// groups maps a group to the pods in it; sets maps a set to the addresses in it.
	groups, sets map[string]map[string]bool
	// allows maps a group to the matches of its rules.
	allows map[string][]string
	names  []string
}

func look(s snapshot) seenRows {
	v := seenRows{ports: map[string]map[string]bool{}, groups: map[string]map[string]bool{}, sets: map[string]map[string]bool{}, allows: map[string][]string{}}
	name := map[string]string{}
	for uuid, r := range s["Logical_Switch_Port"] {
		name[uuid] = strings.TrimPrefix(fmt.Sprint(r["name"]), "default/")
		v.ports[name[uuid]] = map[string]bool{}
	}
	for _, r := range s["Port_Group"] {
		group := fmt.Sprint(r["name"])
		v.groups[group] = map[string]bool{}
		for _, uuid := range elementsIn(r["ports"]) {
			if port := name[uuid]; port != "" {
				v.groups[group][port], v.ports[port][group] = true, true
			}
		}
		for _, uuid := range elementsIn(r["acls"]) {
			v.names = append(v.names, named(s, uuid)...)
			if s["ACL"][uuid]["action"] != "drop" {
				v.allows[group] = append(v.allows[group], fmt.Sprint(s["ACL"][uuid]["match"]))
			}
		}
	}
	for _, r := range s["Address_Set"] {
		v.sets[fmt.Sprint(r["name"])] = map[string]bool{}
		for _, a := range elementsIn(r["addresses"]) {
			v.sets[fmt.Sprint(r["name"])][a] = true
		}
	}
	return v
}

var namesInMatch = regexp.MustCompile(`[$@][A-Za-z0-9_]+`)

func named(s snapshot, acl string) []string {
	return namesInMatch.FindAllString(fmt.Sprint(s["ACL"][acl]["match"]), -1)
}

// allowed says whether the database lets a packet from one pod to the other.
func (v seenRows) allowed(from, to string) bool {
	if !v.groups["isolated"][to] {
		return true
	}
	for _, matches := range v.allows {
		for _, m := range matches {
			n := namesInMatch.FindAllString(m, -1)
			if v.groups[n[0][1:]][to] && v.sets[n[1][1:]][addressOf(from)] {
				return true
			}
		}
	}
	return false
}

// check is called after each transaction.
func (w *way) check(beforeRows, afterRows snapshot) {
	w.mu.Lock()
	defer w.mu.Unlock()
	before, after := look(beforeRows), look(afterRows)
	w.checked++
	w.trace = append(w.trace, fmt.Sprintf("transaction: ports %v sets %v allows %v", after.ports, after.sets, after.allows))
	fail := func(format string, args ...any) {
		if !w.failed {
			w.failed = true // What follows from the first is of no use.
			w.t.Errorf(format+"\n%s\nlogged: %s", append(args, strings.Join(w.trace[max(0, len(w.trace)-20):], "\n"), w.errors)...)
		}
	}
	for _, n := range after.names {
		if n[0] == '$' && after.sets[n[1:]] == nil || n[0] == '@' && after.groups[n[1:]] == nil {
			fail("a rule names %s, which is not there", n)
		}
	}
	for name := range after.ports {
		if !w.faulty(name) && !w.inItsSets(name, after) {
			fail("port %s is in groups %v and not in all sets of any of its versions %+v", name, after.ports[name], w.ports[name].since)
		}
	}
	for set := range after.sets {
		if before.sets[set] == nil {
			for _, missing := range w.absent(after, set) {
				fail("set %s appears without pod %s", set, missing)
			}
		}
	}
	w.checkReach(after, fail)
}

// faulty says whether something may keep a pod from being carried out. The database shows what it had before, under
// policies as they were then. After a restart nothing says whose an address in a set was: that of a deleted pod may go before
// the pod's port.
func (w *way) faulty(name string) bool {
	if w.restarted && w.ports[name].now().color == "" {
		return true
	}
	return slices.ContainsFunc(w.ports[name].since, func(p podWish) bool { return p.fault != "" })
}

// inItsSets says whether a port is in all sets of at least one of its versions.
func (w *way) inItsSets(name string, after seenRows) bool {
	v := w.ports[name]
	for _, p := range v.since {
		if p.color != "" && w.holds(name, p, after) {
			return true
		}
	}
	return false
}

// holds says whether the database has a pod in all sets that one of its versions may want: policies may have versions, too.
func (w *way) holds(name string, p podWish, after seenRows) bool {
	for policy, v := range w.policies {
		fits := false
		for _, q := range v.since {
			subject := !matches(q.subject, p.color) || after.groups["isolated"][name] && after.groups[ruleName(policy, q)][name]
			peer := q.subject == "" || !matches(q.peers, p.color) || after.sets["as_"+q.peers][addressOf(name)]
			fits = fits || subject && peer
		}
		if !fits && len(v.since) == 1 {
			return false
		}
	}
	return true
}

// absent returns the pods that all versions say are in a set, whose port is there, and that are not in it.
func (w *way) absent(after seenRows, set string) []string {
	var out []string
	peers := strings.TrimPrefix(set, "as_")
	for name, v := range w.ports {
		certain := after.ports[name] != nil
		for _, p := range v.since {
			certain = certain && p.fault == "" && matches(peers, p.color)
		}
		if certain && !after.sets[set][addressOf(name)] {
			out = append(out, name)
		}
	}
	return out
}

// checkReach looks at every pair of pods: what all versions allow is never interrupted, what all deny never leaks.
func (w *way) checkReach(after seenRows, fail func(string, ...any)) {
	for to := range after.ports {
		for from := range after.ports {
			if from == to || w.faulty(from) || w.faulty(to) {
				continue
			}
			if w.podsChanged(from, to) && w.policiesChanged() {
				continue
			}
			may, must := w.verdict(from, to)
			if is := after.allowed(from, to); must && !is {
				fail("pod %s is cut off from pod %s, which all versions allow", from, to)
			} else if is && !may {
				fail("pod %s reaches pod %s, which no version allows", from, to)
			}
		}
	}
}

// podsChanged and policiesChanged say whether objects have several versions. Where pods and policies both have, the database may
// show a pod as one policy has it now together with another policy's rules of before.
func (w *way) podsChanged(names ...string) bool {
	return slices.ContainsFunc(names, func(n string) bool { return len(w.ports[n].since) > 1 })
}

func (w *way) policiesChanged() bool {
	for _, v := range w.policies {
		if len(v.since) > 1 {
			return true
		}
	}
	return false
}

// verdict says whether any combination of versions allows a packet, and whether all do.
func (w *way) verdict(from, to string) (may, must bool) {
	must = true
	for _, f := range w.ports[from].since {
		for _, t := range w.ports[to].since {
			if f.color == "" || t.color == "" {
				must = false // A pod that goes may be cut off.
				continue
			}
			free, somebodyAllows, allAllow, selects := true, false, false, false
			for name, v := range w.policies {
				policyMust, policyFree := true, false
				for _, q := range w.combinations(name, v) {
					allows := matches(q.subject, t.color) && matches(q.peers, f.color)
					somebodyAllows = somebodyAllows || allows
					policyMust = policyMust && allows
					policyFree = policyFree || !matches(q.subject, t.color)
					selects = selects || matches(q.subject, t.color)
				}
				free = free && policyFree
				allAllow = allAllow || policyMust
			}
			may = may || free || somebodyAllows
			must = must && (allAllow || !selects)
		}
	}
	return may, must
}

// combinations returns what the database may show of a policy. Of one that is edited in place that is any of its subjects
// with any of its peers, for pods join its group on their own.
func (w *way) combinations(name string, v *versions[policyWish]) []policyWish {
	if !inPlace(name) {
		return v.since
	}
	var out []policyWish
	for _, a := range v.since {
		for _, b := range v.since {
			out = append(out, policyWish{a.subject, b.peers})
		}
	}
	return out
}
