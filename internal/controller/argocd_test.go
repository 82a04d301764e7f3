// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller_test

import (
	"encoding/json"
	"os"
	"path/filepath"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	lua "github.com/yuin/gopher-lua"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

// argoCD is what config/gitops tells Argo CD about APIKeys. Its actions have no mergeBuiltinActions: Argo CD 2.13 lists no action of a kind
// that has it and none built in.
type argoCD struct {
	health  string
	actions struct {
		Discovery   string `json:"discovery.lua"`
		Definitions []struct {
			Name string `json:"name"`
			Lua  string `json:"action.lua"`
		} `json:"definitions"`
	}
	ignored struct {
		JSONPointers []string `json:"jsonPointers"`
	}
}

func newArgoCD() argoCD {
	GinkgoHelper()
	root, err := testkit.Root()
	Expect(err).NotTo(HaveOccurred())
	file, err := os.ReadFile(filepath.Join(root, "config", "gitops", "argocd-cm.yaml"))
	Expect(err).NotTo(HaveOccurred())
	var patch struct {
		Data map[string]string `json:"data"`
	}
	Expect(yaml.UnmarshalStrict(file, &patch)).To(Succeed())
	const kind = ".apikey-operator.io_APIKey"
	c := argoCD{health: patch.Data["resource.customizations.health"+kind]}
	Expect(yaml.UnmarshalStrict([]byte(patch.Data["resource.customizations.actions"+kind]), &c.actions)).To(Succeed())
	Expect(yaml.UnmarshalStrict([]byte(patch.Data["resource.customizations.ignoreResourceUpdates"+kind]), &c.ignored)).To(Succeed())
	Expect(patch.Data).To(HaveLen(3))

	return c
}

// healthOf returns the health and its message.
func (c argoCD) healthOf(object *unstructured.Unstructured) (status, message string) {
	GinkgoHelper()
	health, ok := runLua(c.health, object).(map[string]any)
	Expect(ok).To(BeTrue(), "health is not a table")
	status, _ = health["status"].(string)
	message, _ = health["message"].(string)

	return status, message
}

// enabled returns the names of the actions that Argo CD offers for an object.
func (c argoCD) enabled(object *unstructured.Unstructured) []string {
	GinkgoHelper()
	actions, ok := runLua(c.actions.Discovery, object).(map[string]any)
	Expect(ok).To(BeTrue(), "the actions are not a table")
	names := []string{}
	for _, definition := range c.actions.Definitions {
		Expect(actions).To(HaveKey(definition.Name))
		if action, _ := actions[definition.Name].(map[string]any); action["disabled"] != any(true) {
			names = append(names, definition.Name)
		}
	}
	Expect(actions).To(HaveLen(len(c.actions.Definitions)))

	return names
}

// act returns the object as the named action leaves it.
func (c argoCD) act(name string, object *unstructured.Unstructured) *unstructured.Unstructured {
	GinkgoHelper()
	for _, definition := range c.actions.Definitions {
		if definition.Name == name {
			changed, ok := runLua(definition.Lua, object).(map[string]any)
			Expect(ok).To(BeTrue(), "the action returned no object")

			return &unstructured.Unstructured{Object: changed}
		}
	}
	Fail("no action " + name)

	return nil
}

// runLua runs a script on an object with the libraries that Argo CD opens: package, base, table, and of os only time and date.
func runLua(script string, object *unstructured.Unstructured) any {
	GinkgoHelper()
	state := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer state.Close()
	for name, open := range map[string]lua.LGFunction{lua.LoadLibName: lua.OpenPackage, lua.BaseLibName: lua.OpenBase, lua.TabLibName: lua.OpenTable} {
		state.Push(state.NewFunction(open))
		state.Push(lua.LString(name))
		state.Call(1, 0)
	}
	state.PreloadModule(lua.OsLibName, safeOS)
	state.SetGlobal("obj", toLua(state, object.Object))
	Expect(state.DoString(script)).To(Succeed())

	return fromLua(state.Get(-1))
}

// safeOS is the module os with time and date alone.
func safeOS(state *lua.LState) int {
	whole := lua.NewState()
	defer whole.Close()
	module, _ := whole.GetGlobal(lua.OsLibName).(*lua.LTable)
	safe := state.NewTable()
	for _, name := range []string{"time", "date"} {
		function, _ := module.RawGetString(name).(*lua.LFunction)
		state.SetField(safe, name, state.NewFunction(function.GFunction))
	}
	state.Push(safe)

	return 1
}

// toLua returns a JSON value as Lua sees it: an array is a table from 1 on.
func toLua(state *lua.LState, value any) lua.LValue {
	GinkgoHelper()
	switch v := value.(type) {
	case map[string]any:
		table := state.NewTable()
		for key, field := range v {
			table.RawSetString(key, toLua(state, field))
		}

		return table
	case []any:
		table := state.NewTable()
		for _, item := range v {
			table.Append(toLua(state, item))
		}

		return table
	case string:
		return lua.LString(v)
	case bool:
		return lua.LBool(v)
	case int64:
		return lua.LNumber(v)
	case float64:
		return lua.LNumber(v)
	}
	Expect(value).To(BeNil())

	return lua.LNil
}

// fromLua returns a Lua value as JSON has it.
func fromLua(value lua.LValue) any {
	GinkgoHelper()
	table, ok := value.(*lua.LTable)
	if !ok {
		return fromLuaScalar(value)
	}
	if table.Len() > 0 {
		items := []any{}
		table.ForEach(func(_, item lua.LValue) { items = append(items, fromLua(item)) })

		return items
	}
	fields := map[string]any{}
	table.ForEach(func(key, field lua.LValue) { fields[key.String()] = fromLua(field) })

	return fields
}

func fromLuaScalar(value lua.LValue) any {
	GinkgoHelper()
	switch v := value.(type) {
	case lua.LString:
		return string(v)
	case lua.LBool:
		return bool(v)
	case lua.LNumber:
		number, err := json.Marshal(float64(v))
		Expect(err).NotTo(HaveOccurred())
		var decoded any
		Expect(json.Unmarshal(number, &decoded)).To(Succeed())

		return decoded
	}

	return nil
}
