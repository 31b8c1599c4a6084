package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/postern/postern/host/datadir"
	"github.com/postern/postern/host/definition"
)

// A localHost is what `postern serve --data` tells of itself in local.json beside the contexts.
type localHost struct {
	URL       string `json:"url"`
	TokenFile string `json:"tokenFile,omitempty"`
}

// localHosts are the hosts that this user runs on this machine, the newest last. A file with one alone has it without a list.
type localHosts struct {
	Hosts []localHost `json:"hosts"`
}

// localFile has the word of this machine's hosts.
const localFile = "local.json"

// readLocal reads what this machine's hosts have told of themselves. What cannot be believed is none.
func readLocal() []localHost {
	file, err := configFile(localFile)
	if err != nil {
		return nil
	}
	data, err := readPrivate(file)
	if err != nil {
		return nil
	}
	var known struct {
		localHosts
		localHost
	}
	if json.Unmarshal(data, &known) != nil {
		return nil
	}
	if known.URL != "" {
		known.Hosts = append(known.Hosts, known.localHost)
	}
	return slices.DeleteFunc(known.Hosts, func(h localHost) bool { return h.URL == "" })
}

// writeLocal replaces the word of this machine's hosts; without any, there is no file.
func writeLocal(hosts []localHost) error {
	file, err := configFile(localFile)
	if err != nil {
		return err
	}
	if len(hosts) == 0 {
		if err := os.Remove(file); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	data, err := json.Marshal(localHosts{hosts})
	if err != nil {
		return err
	}
	return writePrivate(file, append(data, '\n'))
}

// announceLocal leaves word for the postern command on this machine where the admin API is and which file has its token, beside that of
// other hosts that run. Those that answer no longer were killed, and are forgotten.
func announceLocal(admin, tokenFile string) error {
	if admin == "" {
		return nil
	}
	own := localHost{URL: strings.TrimSuffix(admin, "/"), TokenFile: tokenFile}
	others := slices.DeleteFunc(readLocal(), func(h localHost) bool { return sameURL(h.URL, own.URL) || !h.answers() })
	return writeLocal(append(others, own))
}

// withdrawLocal takes the word of a host back that ends: what listens at its address later shall not get its token.
func withdrawLocal(admin string) error {
	known := readLocal()
	others := slices.DeleteFunc(slices.Clone(known), func(h localHost) bool { return sameURL(h.URL, admin) })
	if len(others) == len(known) {
		return nil
	}
	return writeLocal(others)
}

// localPatience is how long a host of this machine may take to accept a connection.
const localPatience = 500 * time.Millisecond

// answers reports whether something listens at a host's address.
func (h localHost) answers() bool {
	u, err := url.Parse(h.URL)
	if err != nil {
		return false
	}
	conn, err := net.DialTimeout("tcp", u.Host, localPatience)
	if err != nil {
		return false
	}
	_ = conn.Close() // nothing was sent
	return true
}

// running reports whether the host itself is there: whoever listens at its port once it has ended shall not get its token.
func (h localHost) running() bool {
	return h.TokenFile != "" && datadir.Held(filepath.Dir(h.TokenFile))
}

// localAt is this machine's host with that address; nil when none has told of it.
func localAt(address string) *localHost {
	for _, h := range readLocal() {
		if sameURL(h.URL, address) {
			return &h
		}
	}
	return nil
}

// chooseLocal is the host of this machine that is meant when nothing names one: the one that runs. nil when there is none; of several
// that run the user has to choose, as a change that goes to the wrong one may be hard to take back.
func chooseLocal() (*localHost, error) {
	known := readLocal()
	if len(known) == 0 {
		return nil, nil
	}
	newest := known[len(known)-1]
	if len(known) == 1 {
		return &newest, nil
	}
	running := slices.DeleteFunc(known, func(h localHost) bool { return !h.answers() })
	switch len(running) {
	case 0:
		return &newest, nil
	case 1:
		return &running[0], nil
	}
	list := make([]string, len(running))
	for i, h := range running {
		list[i] = fmt.Sprintf("%s (%s)", h.URL, filepath.Dir(h.TokenFile))
	}
	return nil, &usageError{&definition.Error{Message: fmt.Sprintf("%s run on this machine: %s", count(len(running), "host"), strings.Join(list, ", ")),
		Hint: "choose one: --host " + running[len(running)-1].URL + ", POSTERN_HOST, or postern context use"}}
}
