"""Who is who: a person and how calls merge into one, identity, properties of events kept on people, forgetting."""
