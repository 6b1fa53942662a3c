package wrapper

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// singleHeaders decide something and may come once.
var singleHeaders = map[string]bool{
	"Authorization": true, "Content-Encoding": true, "Content-Type": true, "Expect": true, "Traceparent": true,
	"Tracestate": true, "X-Correlation-Id": true,
}

// app is one function: the routes, and what happens between a request and its reply.
type app struct {
	settings settings
	function function
	invoker  *invoker
	metrics  *metrics
	log      *slog.Logger
	refusing atomic.Bool
	// stuck says that a handler did not end; the instance has to be replaced.
	stuck atomic.Bool
	// memory is the resident memory in bytes, looked up at memoryAt (nanoseconds).
	memory, memoryAt atomic.Int64
}

func newApp(settings settings, function function, onStuck func()) *app {
	made := &app{settings: settings, function: function, log: logger("wrapper")}
	made.metrics = newMetrics(settings.functionName, settings.functionNamespace)
	made.invoker = newInvoker(&made.settings, func() { made.fail(onStuck) })
	return made
}

// stopAccepting makes further events be answered with 503; calls that run go on.
func (a *app) stopAccepting() { a.refusing.Store(true) }

func (a *app) fail(onStuck func()) {
	if a.stuck.Swap(true) {
		return
	}
	a.stopAccepting()
	a.log.Error("a handler did not end in time and cannot be stopped; the instance ends to be replaced")
	onStuck()
}

// ServeHTTP answers a request.
func (a *app) ServeHTTP(writer http.ResponseWriter, request *http.Request) {
	method, path := request.Method, request.URL.Path
	reading := method == http.MethodGet || method == http.MethodHead
	switch path {
	case "/":
		if method == http.MethodPost {
			a.event(writer, request)
			return
		}
		problem(writer, http.StatusMethodNotAllowed, method+" / is not served; POST an event", "POST")
	case "/health", "/healthz", "/ready", "/readyz", "/metrics":
		switch {
		case !reading:
			problem(writer, http.StatusMethodNotAllowed, method+" "+path+" is not served", "GET, HEAD")
		case path == "/metrics":
			a.sendMetrics(writer, request)
		default:
			a.health(writer)
		}
	default:
		problem(writer, http.StatusNotFound, "served are POST / and GET /health, /healthz, /ready, /readyz, /metrics", "")
	}
}

func (a *app) health(writer http.ResponseWriter) {
	switch {
	case a.stuck.Load():
		problem(writer, http.StatusServiceUnavailable, "a handler is stuck", "")
	case a.refusing.Load():
		problem(writer, http.StatusServiceUnavailable, "shutting down", "")
	default:
		writer.Header()["Content-Type"] = []string{"application/json"}
		send(writer, http.StatusOK, []byte(`{"status":"healthy"}`))
	}
}

func (a *app) sendMetrics(writer http.ResponseWriter, request *http.Request) {
	open, kind := strings.Contains(request.Header.Get("Accept"), openMetrics), metricsType
	if open {
		kind = openMetrics + "; version=1.0.0; charset=utf-8"
	}
	writer.Header()["Content-Type"] = []string{kind}
	writer.Header()["Vary"] = []string{"Accept"}
	send(writer, http.StatusOK, a.metrics.text(open))
}

func (a *app) event(writer http.ResponseWriter, request *http.Request) {
	body, ok := a.read(writer, request)
	if !ok {
		return
	}
	id := newID()
	found, err := decode(request.Header, body, id)
	if err != nil {
		empty := &event{attributes: map[string]string{"id": id}}
		a.refuse(writer, newCall(&a.settings, request.Header, empty, false), invalidRequest(err.Error()))
		return
	}
	c := newCall(&a.settings, request.Header, found, false)
	if a.refusing.Load() {
		a.refuse(writer, c, shuttingDown())
		return
	}
	if at := found.deadlineAt; !at.IsZero() && !at.After(time.Now()) {
		a.refuse(writer, c, pastDeadline())
		return
	}
	parser, err := a.function(c)
	var invalid *invalidEvent
	if errors.As(err, &invalid) {
		a.refuse(writer, c, invalidRequest(err.Error()))
		return
	}
	c.coldStart = a.metrics.begin()
	made := outcome{}
	if err != nil {
		made.failure = fromError(err)
	} else {
		made = a.invoker.invoke(c, parser)
	}
	a.metrics.end(made.duration, made.failure, c.trace.sampledID())
	a.answer(writer, c, made)
}

// read returns the body; what cannot be read is answered.
func (a *app) read(writer http.ResponseWriter, request *http.Request) ([]byte, bool) {
	for name, values := range request.Header {
		if len(values) > 1 && (singleHeaders[name] || strings.HasPrefix(name, "Ce-")) {
			a.refuseText(writer, http.StatusBadRequest, "the header "+strings.ToLower(name)+" is given twice")
			return nil, false
		}
	}
	var body bytes.Buffer
	if request.ContentLength > 0 && request.ContentLength <= a.settings.maxBodyBytes {
		body.Grow(int(request.ContentLength) + bytes.MinRead)
	}
	_, err := body.ReadFrom(http.MaxBytesReader(writer, request.Body, a.settings.maxBodyBytes))
	var tooLarge *http.MaxBytesError
	switch {
	case err == nil:
		return body.Bytes(), true
	case errors.As(err, &tooLarge):
		limit := strconv.FormatInt(a.settings.maxBodyBytes, 10)
		a.refuseText(writer, http.StatusRequestEntityTooLarge, "the body is larger than "+limit+" bytes")
	case errors.Is(err, os.ErrDeadlineExceeded):
		a.refuseText(writer, http.StatusRequestTimeout, "the request's body did not arrive in time")
	case errors.Is(err, io.ErrUnexpectedEOF):
		panic(http.ErrAbortHandler) // the peer is gone
	default:
		a.refuseText(writer, http.StatusBadRequest, "the request is no HTTP: "+err.Error())
	}
	return nil, false
}

func (a *app) refuseText(writer http.ResponseWriter, status int, message string) {
	logger("wrapper.server").Info("a request was refused", "status", status, "error", message)
	writer.Header()["Content-Type"] = []string{"text/plain; charset=utf-8"}
	writer.Header()["Connection"] = []string{"close"}
	send(writer, status, []byte(message+"\n"))
}

func (a *app) refuse(writer http.ResponseWriter, c *call, failed *failure) {
	a.metrics.refused(failed)
	a.answer(writer, c, outcome{failure: failed})
}

func (a *app) answer(writer http.ResponseWriter, c *call, made outcome) {
	a.logOutcome(c, made)
	reply(writer, c, made, a.memoryMB(), a.settings.level <= slog.LevelDebug)
}

func (a *app) logOutcome(c *call, made outcome) {
	took := slog.Float64("duration_ms", milliseconds(made.duration))
	if made.failure == nil {
		a.log.LogAttrs(c, slog.LevelInfo, handledMessage, took)
		return
	}
	attrs := []slog.Attr{
		took, slog.String("error_code", made.failure.code), slog.String("error", made.failure.message),
	}
	if made.failure.stack != "" {
		attrs = append(attrs, slog.String("stack", made.failure.stack))
	}
	a.log.LogAttrs(c, slog.LevelError, "the event was not handled", attrs...)
}

// memoryMB returns the resident memory in MB, looked up once a second at most, 0 where the system does not tell.
func (a *app) memoryMB() float64 {
	now := time.Now().UnixNano()
	if before := a.memoryAt.Load(); now-before > int64(time.Second) && a.memoryAt.CompareAndSwap(before, now) {
		a.memory.Store(residentBytes())
	}
	return float64(a.memory.Load()/100_000) / 10
}

func residentBytes() int64 {
	raw, err := os.ReadFile("/proc/self/statm")
	fields := bytes.Fields(raw)
	if err != nil || len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.ParseInt(string(fields[1]), 10, 64)
	return pages * int64(os.Getpagesize())
}

func problem(writer http.ResponseWriter, status int, message, allow string) {
	writer.Header()["Content-Type"] = []string{"application/json"}
	if allow != "" {
		writer.Header()["Allow"] = []string{allow}
	}
	body, _ := json.Marshal(map[string]string{"error": message})
	send(writer, status, body)
}
