"""Submissions, queue, results, publication, and the table they end in; imports poster and eval, never a page."""
