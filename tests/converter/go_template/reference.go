// Renders templates from standard input with Go's text/template, given the data that
// Ollama gives: [{"template": ..., "messages": [...]}] to [{"text": ...} or {"error": ...}].
//
//	go run reference.go < templates.json
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"text/template"
)

type Message struct {
	Role, Content, Thinking string
	Images, ToolCalls       []string
	ToolName, ToolCallID    string
}

type Case struct {
	Template string
	Messages []*Message
}

type Result struct {
	Text  string `json:"text"`
	Error string `json:"error,omitempty"`
}

var functions = template.FuncMap{"json": func(value any) string {
	text, _ := json.Marshal(value)
	return string(text)
}}

func render(one Case) Result {
	parsed, err := template.New("").Option("missingkey=zero").Funcs(functions).Parse(one.Template)
	if err != nil {
		return Result{Error: err.Error()}
	}
	system := []string{}
	for _, message := range one.Messages {
		if message.Role == "system" {
			system = append(system, message.Content)
		}
	}
	var text strings.Builder
	data := map[string]any{
		"System": strings.Join(system, "\n\n"), "Messages": one.Messages, "Tools": []string{},
		"Response": "", "Think": false, "ThinkLevel": "", "IsThinkSet": false,
	}
	if err := parsed.Execute(&text, data); err != nil {
		return Result{Error: err.Error()}
	}
	return Result{Text: text.String()}
}

func main() {
	var cases []Case
	if err := json.NewDecoder(os.Stdin).Decode(&cases); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	results := []Result{}
	for _, one := range cases {
		results = append(results, render(one))
	}
	json.NewEncoder(os.Stdout).Encode(results)
}
