"""The sections of the report. Each module's `build` answers what its template shows, or raises Absent."""
