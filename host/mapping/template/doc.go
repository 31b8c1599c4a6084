// Package template makes bodies by mapping templates: the variables $input, $util, $context and $stageVariables over the Velocity engine of package vtl.
package template
