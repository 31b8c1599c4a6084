package main

import (
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/postern/postern/host/project"
)

// A scaffolded is the JSON result of new. Its shape is stable.
type scaffolded struct {
	Template string   `json:"template"`
	Dir      string   `json:"dir"`
	Files    []string `json:"files"` // relative to dir
}

func newNew(std *streams) *cobra.Command {
	v := &view[project.Template]{columns: []string{"TEMPLATE", "WHAT IT IS", "NEEDS"}, name: func(t project.Template) string { return t.Name },
		row: func(t project.Template) []string { return []string{t.Name, t.Summary, t.Needs} }}
	cmd := &cobra.Command{
		Use:   "new [TEMPLATE DIR]",
		Short: "Write a project, or a plugin in a language of your choice, that builds and passes its test",
		Long: `Writes a template into DIR, which must be empty or not be there yet: a project, or a plugin with the SDK of its language beside it, so that it
builds without a network, and with a test for postern test. Without arguments it lists the templates.`,
		Example: `  postern new
  postern new project shop
  postern new rust-authorizer authorizers/caller`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 1 || len(args) > 2 {
				return fmt.Errorf("name a template and a folder, or nothing to list the templates")
			}
			return nil
		},
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveFilterDirs
			}
			var names []string
			for _, t := range project.Templates() {
				names = append(names, t.Name+"\t"+t.Summary)
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return v.list(std.out, all(project.Templates()))
			}
			if err := v.check(); err != nil {
				return err
			}
			return scaffold(std, args[0], args[1], v.format)
		},
	}
	v.flag(cmd)
	return cmd
}

func scaffold(std *streams, name, dir, format string) error {
	template, err := project.FindTemplate(name)
	if err != nil {
		return err
	}
	files, err := project.Scaffold(name, dir)
	if err != nil {
		return err
	}
	if format == formatJSON {
		return printJSON(std.out, scaffolded{name, dir, files})
	}
	for _, file := range files {
		fmt.Fprintln(std.out, filepath.Join(dir, filepath.FromSlash(file)))
	}
	next := "postern test " + dir
	if template.Next != "" {
		next = fmt.Sprintf("cd %s && %s && postern test", dir, template.Next)
	}
	fmt.Fprintf(std.err, "next: %s\n", next)
	return nil
}
