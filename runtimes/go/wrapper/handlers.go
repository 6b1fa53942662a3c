package wrapper

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
)

// Fitting the parser's function. The rule, in full:
//
//  1. It takes the event, or the context and the event, in either order.
//  2. The event's data is decoded into the argument's type, whatever it is: map[string]any, a struct, any,
//     json.RawMessage. An event without data leaves it zero, but for a map, which is empty.
//  3. A struct that has fields for `source`, `type` and `data` (by JSON name) gets the whole event instead, as does a type
//     named Event that decodes itself, such as that of the CloudEvents SDK.
//  4. It returns a result, an error, both (the error last) or nothing.

const shapes = "write `func Handler(event map[string]any) (map[string]any, error)` " +
	"or `func Handler(ctx context.Context, event T) (R, error)`"

var (
	contextType     = reflect.TypeFor[context.Context]()
	errorType       = reflect.TypeFor[error]()
	mapType         = reflect.TypeFor[map[string]any]()
	unmarshalerType = reflect.TypeFor[json.Unmarshaler]()
)

// function calls a parser: the first step decodes the event and returns an *invalidEvent or *mismatch, the second,
// which it returns, runs the parser.
type function func(*call) (func() (any, error), error)

// fit turns the parser's function into one that takes a call.
func fit(handler any) (function, error) {
	if simple, ok := handler.(func(map[string]any) (map[string]any, error)); ok {
		return fitSimple(simple), nil
	}
	value := reflect.ValueOf(handler)
	if value.Kind() != reflect.Func {
		return nil, fmt.Errorf("is a %T, not a function: %s", handler, shapes)
	}
	kind := value.Type()
	at, problem := eventPosition(kind)
	if problem == "" {
		problem = resultsProblem(kind)
	}
	if problem != "" {
		return nil, fmt.Errorf("%s: %s", problem, shapes)
	}
	decode := dataInto
	if takesWholeEvent(kind.In(at)) {
		decode = wholeInto
	}
	return func(c *call) (func() (any, error), error) {
		argument := reflect.New(kind.In(at))
		if err := decode(c.event, argument.Interface()); err != nil {
			return nil, err
		}
		arguments := make([]reflect.Value, kind.NumIn())
		for index := range arguments {
			arguments[index] = reflect.ValueOf(c)
		}
		arguments[at] = argument.Elem()
		return func() (any, error) { return results(value.Call(arguments)) }, nil
	}, nil
}

// fitSimple spares the usual form reflection.
func fitSimple(handler func(map[string]any) (map[string]any, error)) function {
	return func(c *call) (func() (any, error), error) {
		var data map[string]any
		err := dataInto(c.event, &data)
		return func() (any, error) { return orNil(handler(data)) }, err
	}
}

// orNil keeps a nil map from becoming a value that is not nil.
func orNil(result map[string]any, err error) (any, error) {
	if result == nil {
		return nil, err
	}
	return result, err
}

func eventPosition(kind reflect.Type) (at int, problem string) {
	switch {
	case kind.IsVariadic():
		return 0, "takes any number of arguments"
	case kind.NumIn() == 1 && kind.In(0) != contextType:
		return 0, ""
	case kind.NumIn() == 2 && kind.In(0) == contextType:
		return 1, ""
	case kind.NumIn() == 2 && kind.In(1) == contextType:
		return 0, ""
	}
	return 0, fmt.Sprintf("takes %d arguments; it is called with the event, or context and event", kind.NumIn())
}

func resultsProblem(kind reflect.Type) string {
	count := kind.NumOut()
	if count > 2 || (count == 2 && kind.Out(1) != errorType) {
		return fmt.Sprintf("returns %d values; it returns a result and an error, one of them, or nothing", count)
	}
	return ""
}

func results(values []reflect.Value) (any, error) {
	var result any
	for _, value := range values {
		if value.Type() == errorType {
			err, _ := value.Interface().(error)
			return result, err
		}
		result = value.Interface()
	}
	return result, nil
}

func dataInto(event *event, target any) error {
	err := json.Unmarshal(event.data, target)
	var syntax *json.SyntaxError
	switch {
	case err == nil:
	case errors.As(err, &syntax):
		return notJSON(err)
	default:
		return &mismatch{err}
	}
	if value := reflect.ValueOf(target).Elem(); value.Kind() == reflect.Map && value.IsNil() {
		value.Set(reflect.MakeMap(value.Type()))
	}
	return nil
}

func wholeInto(event *event, target any) error {
	if !json.Valid(event.data) {
		return refuse("the body is not JSON")
	}
	document := make(map[string]any, len(event.attributes)+1)
	for name, value := range event.attributes {
		document[name] = value
	}
	document["data"] = event.data
	raw, err := json.Marshal(document)
	if err == nil {
		err = json.Unmarshal(raw, target)
	}
	if err != nil {
		return &mismatch{err}
	}
	return nil
}

func takesWholeEvent(kind reflect.Type) bool {
	if kind.Kind() == reflect.Pointer {
		kind = kind.Elem()
	}
	if kind.Name() == "Event" && reflect.PointerTo(kind).Implements(unmarshalerType) {
		return true
	}
	if kind.Kind() != reflect.Struct {
		return false
	}
	found := map[string]bool{}
	for index := range kind.NumField() {
		field := kind.Field(index)
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if name == "" {
			name = field.Name
		}
		found[strings.ToLower(name)] = true
	}
	return found["source"] && found["type"] && found["data"]
}
