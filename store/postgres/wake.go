package postgres

// wake tells the workers of this node, and soon those of the others, that there may be something to claim.
func (s *Store) wake() {
	s.wakeHere()
	s.bus.tell(topicClaim, "")
}

// wakeHere tells the workers of this node.
func (s *Store) wakeHere() {
	select {
	case s.wakeups <- struct{}{}:
	default: // they are told already
	}
}

// tellNews has this node give ids to events that it has written, and then tell everybody who reads them.
func (s *Store) tellNews() { s.events.look() }
