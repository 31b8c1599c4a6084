package admin

import (
	"errors"
	"slices"
	"strconv"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/catalog"
)

func (c *call) listFunctions() (*reply, error) {
	functions, err := c.Catalog.Functions(c.r.Context())
	if err != nil {
		return nil, err
	}
	functions = slices.DeleteFunc(functions, func(f catalog.Function) bool { return !fits(c.query.Get("project"), f.Project) })
	return pageByName(c, functions, func(f catalog.Function) string { return f.Name })
}

func (c *call) getFunction() (*reply, error) {
	f, err := c.Catalog.Function(c.r.Context(), c.r.PathValue("function"))
	return &reply{body: f, rev: f.Revision}, err
}

func (c *call) deleteFunction() (*reply, error) {
	name := c.r.PathValue("function")
	return &reply{parts: ofFunction(name)}, c.Catalog.DeleteFunction(c.r.Context(), name, c.change)
}

func (c *call) listVersions() (*reply, error) {
	versions, err := c.Catalog.Versions(c.r.Context(), c.r.PathValue("function"))
	if err != nil {
		return nil, err
	}
	return pageByNumber(c, versions, func(v catalog.Version) int { return v.Version })
}

func (c *call) getVersion() (*reply, error) {
	v, err := c.Catalog.Version(c.r.Context(), c.r.PathValue("function"), c.r.PathValue("number"))
	return &reply{body: v}, err
}

func (c *call) deleteVersion() (*reply, error) {
	return &reply{}, c.Catalog.DeleteVersion(c.r.Context(), c.r.PathValue("function"), c.pathNumber(), c.change)
}

func (c *call) putFunctionConfig() (*reply, error) {
	promote, err := c.flag("promote", true)
	if err != nil {
		return nil, err
	}
	var config catalog.FunctionConfig
	if err := c.decode(&config); err != nil {
		return nil, err
	}
	return c.versionReply(catalog.Upload{Config: &config, Promote: promote})
}

// versionReply uploads a version and answers with it.
func (c *call) versionReply(up catalog.Upload) (*reply, error) {
	name := c.r.PathValue("function")
	before, err := c.Catalog.Function(c.r.Context(), name)
	if err != nil && !errors.Is(err, host.NotFound) {
		return nil, err
	}
	v, err := c.Catalog.UploadFunction(c.r.Context(), name, up, c.change)
	if err != nil {
		return nil, err
	}
	location := "/v1/functions/" + name + "/versions/" + strconv.Itoa(v.Version)
	return &reply{status: madeSince(before.Version, v.Version), body: v, location: location, digest: v.Digest, parts: ofFunction(name)}, nil
}

func (c *call) listAliases() (*reply, error) {
	f, err := c.Catalog.Function(c.r.Context(), c.r.PathValue("function"))
	if err != nil {
		return nil, err
	}
	return pageByName(c, f.Aliases, func(a catalog.Alias) string { return a.Name })
}

func (c *call) getAlias() (*reply, error) {
	f, err := c.Catalog.Function(c.r.Context(), c.r.PathValue("function"))
	if err != nil {
		return nil, err
	}
	name := c.r.PathValue("alias")
	known := make([]string, len(f.Aliases))
	for i, a := range f.Aliases {
		if a.Name == name {
			return &reply{body: a, rev: f.Revision}, nil
		}
		known[i] = a.Name
	}
	return nil, missingOf("the function "+f.Name, "alias", name, known)
}

// aliasReply answers with an alias that was changed. Its revision is that of its function.
func (c *call) aliasReply(a catalog.Alias, err error) (*reply, error) {
	if err != nil {
		return nil, err
	}
	rep := &reply{body: a, parts: ofFunction(a.Function)}
	if !c.change.DryRun {
		if f, err := c.Catalog.Function(c.r.Context(), a.Function); err == nil {
			rep.rev = f.Revision
		}
		if v, err := c.Catalog.Version(c.r.Context(), a.Function, strconv.Itoa(a.Version)); err == nil {
			rep.digest = v.Digest
		}
	}
	return rep, nil
}

func (c *call) putAlias() (*reply, error) {
	var in AliasInput
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	function, alias := c.r.PathValue("function"), c.r.PathValue("alias")
	return c.aliasReply(c.Catalog.SetAlias(c.r.Context(), function, alias, in.Version, in.Second, in.Weight, c.change))
}

func (c *call) deleteAlias() (*reply, error) {
	function := c.r.PathValue("function")
	return &reply{parts: ofFunction(function)}, c.Catalog.DeleteAlias(c.r.Context(), function, c.r.PathValue("alias"), c.change)
}

func (c *call) rollbackAlias() (*reply, error) {
	return c.aliasReply(c.Catalog.RollbackAlias(c.r.Context(), c.r.PathValue("function"), c.r.PathValue("alias"), c.change))
}

func (c *call) listDeadLetters() (*reply, error) {
	limit, err := c.limit()
	if err != nil {
		return nil, err
	}
	after, err := c.sequence("after")
	if err != nil {
		return nil, err
	}
	name := c.r.PathValue("function")
	if _, err := c.Catalog.Function(c.r.Context(), name); err != nil {
		return nil, err
	}
	list := List[DeadLetter]{Items: []DeadLetter{}}
	for letter, err := range c.Gateway.DeadLetters(c.r.Context(), name) {
		if err != nil {
			return nil, err
		}
		if letter.Sequence <= after {
			continue
		}
		if len(list.Items) == limit {
			list.Next = strconv.FormatUint(list.Items[limit-1].Sequence, 10)
			break
		}
		list.Items = append(list.Items, letter)
	}
	return &reply{body: list}, nil
}

// sequence is a parameter that is a sequence number.
func (c *call) sequence(name string) (uint64, error) {
	text := c.query.Get(name)
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, malformed("%s must be a sequence number, not %.80q", name, text)
	}
	return n, nil
}

func (c *call) deleteDeadLetters() (*reply, error) {
	upTo, err := c.sequence("upTo")
	if err != nil {
		return nil, err
	}
	if upTo == 0 {
		return nil, malformed("upTo must be the sequence number of the last dead letter that is to be deleted, as their list has it")
	}
	name := c.r.PathValue("function")
	if _, err := c.Catalog.Function(c.r.Context(), name); err != nil || c.change.DryRun {
		return &reply{}, err
	}
	return &reply{}, c.Gateway.PurgeDeadLetters(c.r.Context(), name, upTo)
}
