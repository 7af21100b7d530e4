package postgres

// wake tells the workers of this process, and soon those of the others, that there may be something to claim.
func (s *Store) wake() {
	select {
	case s.wakeups <- struct{}{}:
	default: // they are told already
	}
}

// tellNews tells the readers of events that there are some.
func (s *Store) tellNews() {
	select {
	case s.news <- struct{}{}:
	default:
	}
}
