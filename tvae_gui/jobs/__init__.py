"""Work outside the thread of the window; jobs know no widgets."""
