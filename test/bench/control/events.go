package control

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
)

// podEvents is a watch of pods beside the controller's: when it is told of a pod, so is the controller.
type podEvents struct {
	added chan podEvent
	// err is why the watch has ended; to be read when added is closed.
	err error
}

type podEvent struct {
	name string
	at   time.Time
}

func (w *world) podEvents(ctx context.Context) (*podEvents, func(), error) {
	now, err := w.api.Client.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{Limit: 1})
	if err != nil {
		return nil, nil, err
	}
	stream, err := w.api.Client.CoreV1().Pods(namespace).Watch(ctx, metav1.ListOptions{ResourceVersion: now.ResourceVersion})
	if err != nil {
		return nil, nil, err
	}
	e := &podEvents{added: make(chan podEvent, 100_000)}
	go func() {
		for event := range stream.ResultChan() {
			if pod, ok := event.Object.(*corev1.Pod); ok && event.Type == watch.Added {
				e.added <- podEvent{name: pod.Name, at: time.Now()}
			} else if event.Type == watch.Error {
				e.err = apierrors.FromObject(event.Object)
			}
		}
		close(e.added)
	}()
	return e, stream.Stop, nil
}

// await returns when the watch was told that a pod has come.
func (e *podEvents) await(ctx context.Context, name string) (time.Time, error) {
	for {
		select {
		case event, ok := <-e.added:
			if !ok {
				return time.Time{}, fmt.Errorf("the API server has ended the watch: %w", e.err)
			}
			if event.name == name {
				return event.at, nil
			}
		case <-ctx.Done():
			return time.Time{}, ctx.Err()
		}
	}
}
