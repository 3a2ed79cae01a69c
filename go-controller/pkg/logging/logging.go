// Package logging makes the one log of a Woven program: zap behind logr, as JSON lines on standard error, with
// klog (client-go) writing into it too. libovsdb is given the same logger by those who make its clients.
package logging

import (
	"fmt"

	"github.com/go-logr/logr"
	"github.com/go-logr/zapr"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"k8s.io/klog/v2"
)

// New returns the program's logger. level is one of config.Config's LogLevel; at "debug", logr's V(1) is
// written as well.
func New(program, level string) (logr.Logger, error) {
	l, err := zapcore.ParseLevel(level)
	if err != nil {
		return logr.Logger{}, fmt.Errorf("log level: %w", err)
	}
	c := zap.NewProductionConfig()
	c.Level = zap.NewAtomicLevelAt(l)
	c.Sampling = nil
	// The error's text says where it comes from and what to do; a stack tells an administrator nothing.
	c.DisableStacktrace = true
	c.EncoderConfig.EncodeTime = zapcore.ISO8601TimeEncoder
	z, err := c.Build()
	if err != nil {
		return logr.Logger{}, fmt.Errorf("log: %w", err)
	}
	log := zapr.NewLogger(z).WithName(program)
	klog.SetLogger(log)
	return log, nil
}
