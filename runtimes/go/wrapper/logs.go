package wrapper

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"sync"
	"time"
	"unicode/utf8"
)

// Structured logs on standard output: one JSON object a line, with the ids of the call that it belongs to.
// Everything that goes through log/slog (and log) is written so; a record that is logged with the handler's context,
// as by slog.InfoContext, carries the ids of its call. What a parser prints stays as it is.

const levelCritical = slog.LevelError + 4

// handledMessage is what the line says that every successful call ends with.
const handledMessage = "the event was handled"

const (
	flushAfter = 20 * time.Millisecond
	flushBytes = 32 << 10
)

// output is standard output. Lines that tell nothing unexpected wait there for others: a system call for each would cost a
// call more than all else that the wrapper does. A process that is killed may lose them.
var output writer

type writer struct {
	lock    sync.Mutex
	waiting []byte
	armed   bool
}

func (w *writer) write(line []byte, mayWait bool) error {
	w.lock.Lock()
	defer w.lock.Unlock()
	w.waiting = append(w.waiting, line...)
	if !mayWait || len(w.waiting) >= flushBytes {
		return w.flushLocked()
	}
	if !w.armed {
		w.armed = true
		time.AfterFunc(flushAfter, w.flush)
	}
	return nil
}

func (w *writer) flush() {
	w.lock.Lock()
	defer w.lock.Unlock()
	w.armed = false
	_ = w.flushLocked() // a closed output is no reason to fail a call
}

func (w *writer) flushLocked() error {
	if len(w.waiting) == 0 {
		return nil
	}
	_, err := os.Stdout.Write(w.waiting)
	w.waiting = w.waiting[:0]
	return err
}

// lines is a slog.Handler.
type lines struct {
	level  slog.Level
	fixed  []byte
	name   string
	attrs  []slog.Attr
	prefix string
}

func configureLogs(settings settings) {
	fixed := []byte(`,"service":{"name":`)
	fixed = appendText(fixed, settings.functionName)
	fixed = appendText(append(fixed, `,"namespace":`...), settings.functionNamespace)
	fixed = appendText(append(fixed, `},"third_party_id":`...), settings.thirdPartyID)
	fixed = appendText(append(fixed, `,"parser_id":`...), settings.parserID)
	slog.SetDefault(slog.New(&lines{level: settings.level, fixed: fixed, name: "function"}))
}

// Enabled says whether records of this level are written.
func (l *lines) Enabled(_ context.Context, level slog.Level) bool { return level >= l.level }

// Handle writes the record in one system call, so that lines and prints never mix.
func (l *lines) Handle(ctx context.Context, record slog.Record) error {
	line := make([]byte, 0, 512)
	line = append(line, `{"timestamp":"`...)
	line = record.Time.UTC().AppendFormat(line, "2006-01-02T15:04:05.000Z")
	line = append(line, `","level":"`...)
	line = append(line, levelName(record.Level)...)
	line = appendText(append(line, `","message":`...), record.Message)
	line = appendText(append(line, `,"logger":`...), l.name)
	line = append(line, l.fixed...)
	known, _ := ctx.Value(callKey{}).(*call)
	if known != nil {
		line = known.appendFields(line, duration(record))
	}
	for _, attr := range l.attrs {
		line = appendAttr(line, "", attr)
	}
	record.Attrs(func(attr slog.Attr) bool {
		if known == nil || attr.Key != "duration_ms" {
			line = appendAttr(line, l.prefix, attr)
		}
		return true
	})
	return output.write(append(line, '}', '\n'), record.Message == handledMessage)
}

// WithAttrs returns a handler whose records have these fields, too; `logger` names it.
func (l *lines) WithAttrs(attrs []slog.Attr) slog.Handler {
	made := *l
	made.attrs = append([]slog.Attr(nil), l.attrs...)
	for _, attr := range attrs {
		if attr.Key == "logger" {
			made.name = attr.Value.String()
			continue
		}
		attr.Key = l.prefix + attr.Key
		made.attrs = append(made.attrs, attr)
	}
	return &made
}

// WithGroup returns a handler whose further fields begin with the group's name.
func (l *lines) WithGroup(name string) slog.Handler {
	made := *l
	made.prefix += name + "."
	return &made
}

func (c *call) appendFields(line []byte, duration string) []byte {
	line = appendText(append(line, `,"correlation_id":`...), c.correlationID)
	line = appendText(append(line, `,"invocation":{"id":`...), c.invocationID)
	line = strconv.AppendBool(append(line, `,"cold_start":`...), c.coldStart)
	if duration != "" {
		line = append(append(line, `,"duration_ms":`...), duration...)
	}
	line = appendText(append(line, `},"cloudevent":{"id":`...), c.event.attribute("id"))
	line = appendText(append(line, `,"type":`...), c.event.attribute("type"))
	line = appendText(append(line, `,"source":`...), c.event.attribute("source"))
	line = append(line, '}')
	if c.trace.traceID != "" {
		line = append(line, `,"trace_id":"`+c.trace.traceID+`","span_id":"`+c.trace.spanID...)
		line = append(line, `","trace_flags":"`+c.trace.flags+`"`...)
	}
	return line
}

// duration returns the record's duration_ms, empty if it has none.
func duration(record slog.Record) (found string) {
	record.Attrs(func(attr slog.Attr) bool {
		if attr.Key == "duration_ms" {
			found = attr.Value.String()
		}
		return found == ""
	})
	return found
}

var ownFields = map[string]bool{
	"timestamp": true, "level": true, "message": true, "logger": true, "service": true, "third_party_id": true,
	"parser_id": true, "correlation_id": true, "invocation": true, "cloudevent": true, "trace_id": true,
	"span_id": true, "trace_flags": true,
}

func appendAttr(line []byte, prefix string, attr slog.Attr) []byte {
	key, value := prefix+attr.Key, attr.Value.Resolve()
	if ownFields[key] || attr.Equal(slog.Attr{}) {
		return line
	}
	if value.Kind() == slog.KindGroup {
		for _, member := range value.Group() {
			line = appendAttr(line, key+".", member)
		}
		return line
	}
	line = append(appendText(append(line, ','), key), ':')
	return appendValue(line, value)
}

func appendValue(line []byte, value slog.Value) []byte {
	switch value.Kind() {
	case slog.KindString:
		return appendText(line, value.String())
	case slog.KindTime:
		return appendText(line, value.Time().Format(time.RFC3339Nano))
	}
	found := value.Any()
	if err, isError := found.(error); isError {
		return appendText(line, err.Error())
	}
	if encoded, err := json.Marshal(found); err == nil {
		return append(line, encoded...)
	}
	return appendText(line, fmt.Sprint(found))
}

func levelName(level slog.Level) string {
	switch {
	case level >= levelCritical:
		return "critical"
	case level >= slog.LevelError:
		return "error"
	case level >= slog.LevelWarn:
		return "warning"
	case level >= slog.LevelInfo:
		return "info"
	}
	return "debug"
}

// appendText appends a JSON text.
func appendText(line []byte, value string) []byte {
	plain := utf8.ValidString(value)
	for index := 0; plain && index < len(value); index++ {
		plain = value[index] >= 0x20 && value[index] != '"' && value[index] != '\\'
	}
	if plain {
		return append(append(append(line, '"'), value...), '"')
	}
	encoded, _ := json.Marshal(value) // a text always has a JSON form
	return append(line, encoded...)
}
