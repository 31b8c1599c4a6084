package router

import (
	"net"
	"strings"

	"github.com/postern/postern/host"
)

// An Address is a stage of an API, or a function, with every URL that it answers at.
type Address struct {
	API      *host.API
	Stage    *host.Stage
	Function *host.Function // the live version; nil with an API
	URLs     []string       // without a slash at the end; the most convenient first
}

// URLs lists the addresses of all stages and functions for a listener with a scheme, http or https, and an authority that
// reaches it, "127.0.0.1:8080" for example, whose port the other hosts get too.
func (h *Hosts) URLs(scheme, authority string) []Address {
	port := ""
	if _, p, err := net.SplitHostPort(authority); err == nil {
		port = ":" + p
	}
	if defaultPort := map[string]string{"http": ":80", "https": ":443"}[scheme]; port == defaultPort {
		authority, port = strings.TrimSuffix(authority, port), ""
	}
	var list []Address
	for _, a := range h.snapshot.APIs {
		for _, s := range a.Stages {
			list = append(list, Address{API: a, Stage: s, URLs: h.stageURLs(a, s, scheme+"://", authority, port)})
		}
	}
	for _, f := range urlFunctions(h.snapshot) {
		url := scheme + "://" + hostName(f.Name+functionLabel+h.base) + port
		list = append(list, Address{Function: f, URLs: []string{url}})
	}
	return list
}

func (h *Hosts) stageURLs(a *host.API, s *host.Stage, scheme, authority, port string) []string {
	segment := "/" + s.Name
	if s.Name == host.DefaultStage {
		segment = ""
	}
	var urls []string
	if a.Root {
		urls = append(urls, scheme+authority+segment)
	}
	if a.DefaultEndpoint {
		urls = append(urls,
			scheme+hostName(a.Name+apiLabel+h.base)+port+segment,
			scheme+authority+"/"+Reserved+"/"+a.Name+"/"+s.Name)
	}
	for _, d := range h.snapshot.Domains {
		for _, m := range d.Mappings {
			if m.API != a.Name || m.Stage != s.Name {
				continue
			}
			path := m.Path
			if path == "/" {
				path = ""
			}
			urls = append(urls, scheme+hostName(d.Name)+port+path)
		}
	}
	return urls
}
