package ovsdb

import "github.com/go-logr/logr"

// quiet shows libovsdb's lines only at "debug", its errors too: what they are about is told by the errors that its
// calls return, or by sessions in one line. libovsdb itself would write a line for each attempt to connect again.
type quiet struct{ logr.LogSink }

func quieten(log logr.Logger) logr.Logger {
	if log.GetSink() == nil { // logr.Discard
		return log
	}
	return log.V(1).WithSink(quiet{log.GetSink()})
}

// Error implements logr.LogSink.
func (q quiet) Error(err error, msg string, keysAndValues ...any) {
	if q.Enabled(1) {
		q.Info(1, msg, append([]any{"error", err}, keysAndValues...)...)
	}
}

// WithValues implements logr.LogSink.
func (q quiet) WithValues(keysAndValues ...any) logr.LogSink {
	return quiet{q.LogSink.WithValues(keysAndValues...)}
}

// WithName implements logr.LogSink.
func (q quiet) WithName(name string) logr.LogSink {
	return quiet{q.LogSink.WithName(name)}
}
