// Package proactive is the engine: it accepts notifications and sees to it that they arrive.
package proactive
